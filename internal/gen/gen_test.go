package gen

import (
	"errors"
	"flag"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// load reads source as the package of a folder of its own.
func load(t *testing.T, source string) (*Package, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(dir)
}

// messages are what the generator says about a source, with file names without folders.
func messages(t *testing.T, source string) string {
	t.Helper()
	p, err := load(t, source)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return base(t, syntax.Mistakes, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := Generate(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Mistakes) > 0 && out.Source != nil {
		t.Error("code was made in spite of mistakes")
	}
	return base(t, out.Mistakes, "") + base(t, out.Notes, "note: ")
}

func base(t *testing.T, list []*Mistake, prefix string) string {
	var b strings.Builder
	for _, m := range list {
		m.Pos.Filename = filepath.Base(m.Pos.Filename)
		b.WriteString(prefix + m.String())
	}
	return b.String()
}

// TestMistakes holds what is said about each mistake against testdata/mistakes.txt.
func TestMistakes(t *testing.T) {
	const name = "testdata/mistakes.txt"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, part := range strings.Split("\n"+string(b), "\n== ")[1:] {
		title, rest, _ := strings.Cut(part, "\n")
		source, want, ok := strings.Cut(rest, "\n-- \n")
		if !ok {
			t.Fatalf("%s: case %d has no line of --", name, i)
		}
		t.Run(title, func(t *testing.T) {
			got := messages(t, source+"\n")
			if got == "" {
				t.Error("nothing is wrong with it")
			}
			if want = strings.TrimRight(want, "\n") + "\n"; got != want && !*update {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			out.WriteString("== " + title + "\n" + source + "\n-- \n" + got + "\n")
		})
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.TrimSuffix(out.String(), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDoesNotCompile: a package that does not compile without what is generated, or for
// other reasons, is read all the same.
func TestDoesNotCompile(t *testing.T) {
	p, err := load(t, `package p

import (
	lithair "github.com/lithair/lithair-go"
	"example.org/nowhere"
)

// Note is one.
//
//lithair:model - collection=NoteList
type Note struct {
	ID   lithair.ID  `+"`json:\"id\"`"+`
	Type string      `+"`json:\"type\" lithair:\"unique\"`"+`
	At   nowhere.Place
}

var notes *NoteList = Register(nil).NoteList + undefined
`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Generate(p)
	if err != nil || len(out.Mistakes) > 0 {
		t.Fatal(err, out.Mistakes)
	}
	src := string(out.Source)
	for _, want := range []string{
		header + "\n\npackage p\n", "\"example.org/nowhere\"", "lithair.Changed[nowhere.Place]", "lithair.Model[Note](app, \"\")",
		"func (c *NoteList) ByType(r lithair.Reader, typeValue string) (Note, error)",
	} {
		if !strings.Contains(src, want) {
			t.Errorf("%q is missing in\n%s", want, src)
		}
	}
	if strings.Contains(src, "GeneratedModel") {
		t.Error("validation was generated though a type was not found")
	}
	if laid, err := format.Source(out.Source); err != nil || string(laid) != src {
		t.Error("the code is not laid out as gofmt does", err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range [][4]string{
		{"Article", "Articles", "articles", "article"}, {"BlogPost", "BlogPosts", "blog-posts", "blogPost"}, {"Category", "Categories", "categories", "category"},
		{"Day", "Days", "days", "day"}, {"Box", "Boxes", "boxes", "box"}, {"HTTPRule", "HTTPRules", "http-rules", "httpRule"}, {"Address", "Addresses", "addresses", "address"},
		{"UserID", "UserIDs", "user-i-ds", "userID"}, {"ID", "IDs", "i-ds", "id"}, {"Batch", "Batches", "batches", "batch"},
	} {
		if got := [4]string{c[0], plural(c[0]), kebab(plural(c[0])), unexported(c[0])}; got != c {
			t.Errorf("%q, want %q", got, c)
		}
	}
}

// Pieces are as long as they may be and end between characters.
func TestPieces(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                     nil,
		`,"name":`:                             {`,"name":`},
		`,"exactly_16_b":`:                     {`,"exactly_16_b":`},
		`,"seventeen_by":[`:                    {`,"seventeen_by":`, `[`},
		`,"profile_background_image_url":null`: {`,"profile_backgr`, `ound_image_url":`, `null`},
		`,"zwölf_größen":`:                     {`,"zwölf_größe`, `n":`},
		`,"日本語日本語日本語":`:                        {`,"日本語日`, `本語日本語"`, `:`},
		`,"abcdefghijkl🂡":`:                    {`,"abcdefghijkl`, `🂡":`},
	} {
		if got := pieces(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestDiff(t *testing.T) {
	old := "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n"
	got := Diff("f", old, strings.Replace(strings.Replace(old, "b\n", "B\n", 1), "l\n", "l\nl2\n", 1))
	want := `--- f
+++ f (generated)
@@ -1,5 +1,5 @@
 a
-b
+B
 c
 d
 e
@@ -10,4 +10,5 @@
 j
 k
 l
+l2
 m
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := Diff("f", "", "a\n"); !strings.HasSuffix(got, "@@ -1,0 +1,1 @@\n+a\n") {
		t.Error(got)
	}
}

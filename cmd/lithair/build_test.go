package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuilder edits a program of two packages in all ways that matter: what is built without the
// go command does what the go command's program would, and what it cannot do goes to the go command.
func TestBuilder(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program several times")
	}
	dir, work := t.TempDir(), t.TempDir()
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	write := func(name, text string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	const main = "package main\n\nimport (\n\t\"embed\"\n\t\"fmt\"\n\n\t\"example.org/p/word\"\n)\n\n//go:embed text\nvar files embed.FS\n\n" +
		"func main() {\n\tlist, _ := files.ReadDir(\"text\")\n\tb, _ := files.ReadFile(\"text/a\")\n\tfmt.Println(\"one\", word.Of(1), string(b), len(list))\n}\n"
	const word = "package word\n\nfunc Of[T any](v T) string { return \"w1\" }\n"
	write("go.mod", "module example.org/p\n\ngo 1.24\n")
	write("main.go", main)
	write("word/word.go", word)
	write("text/a", "a1")
	write("text/later/.keep", "nothing of it is embedded")
	t.Setenv("GOENV", filepath.Join(dir, "goenv"))
	var said bytes.Buffer
	b := &builder{dir: dir, work: work, err: &said}
	must(t, b.begin(t.Context()))
	if b.flags == nil {
		t.Skip("the tools are not called directly on this system")
	}
	out := filepath.Join(work, "program")
	// build builds, runs what it built, and learns; the plan is made once nothing is new to the clock.
	build := func(direct bool, want string) {
		t.Helper()
		before := b.direct
		if _, err := b.build(t.Context(), out); err != nil {
			t.Fatalf("%v\n%s", err, &said)
		}
		got, err := exec.Command(out).CombinedOutput()
		must(t, err)
		if strings.TrimSpace(string(got)) != want {
			t.Errorf("it says %q, not %q", got, want)
		}
		if (b.direct > before) != direct {
			t.Errorf("without the go command: %v, not %v", b.direct > before, direct)
		}
		for b.plan == nil {
			must(t, b.learn(t.Context(), out))
		}
	}
	build(false, "one w1 a1 1")
	write("main.go", strings.Replace(main, "one", "two", 1))
	build(true, "two w1 a1 1")
	if fresh, err := b.build(t.Context(), out); fresh || err != nil {
		t.Errorf("built anew, though nothing changed: %v %v", fresh, err)
	}
	write("text/a", "a2, longer")
	build(true, "two w1 a2, longer 1")
	write("word/word.go", strings.Replace(word, "w1", "w2", 1)) // instantiated in main
	build(true, "two w2 a2, longer 1")
	write("main_test.go", "package main\n")
	build(false, "two w2 a2, longer 1")
	write("text/b", "b1")
	build(false, "two w2 a2, longer 2")
	write("main.go", strings.Replace(strings.Replace(main, `"fmt"`, "\"fmt\"\n\t\"os\"", 1), `"one"`, "len(os.Args)", 1))
	build(false, "1 w2 a2, longer 2")
	write("more.go", "//go:build never\n\npackage main\n\nfunc init() { println(`more`) }\n")
	build(false, "1 w2 a2, longer 2")
	write("more.go", "package main\n\nfunc init() { println(`more`) }\n")
	build(false, "more\n1 w2 a2, longer 2")
	write("go.mod", "module example.org/p\n\ngo 1.25\n")
	build(false, "more\n1 w2 a2, longer 2")
	write("more.go", "package main\n\nfunc init() { println(`none`) }\n")
	build(true, "none\n1 w2 a2, longer 2")
	write("text/later/c", "c1") // to a folder that had nothing to embed
	build(false, "none\n1 w2 a2, longer 3")
	write("never.s", "//go:build never\n")
	build(false, "none\n1 w2 a2, longer 3")
	write("never.s", "//go:build !never\n")
	build(false, "none\n1 w2 a2, longer 3")
	must(t, os.Remove(filepath.Join(dir, "never.s")))
	build(false, "none\n1 w2 a2, longer 3")
	info, err := exec.Command("go", "version", "-m", out).CombinedOutput()
	if err != nil || !strings.Contains(string(info), "example.org/p\t") {
		t.Errorf("what it is made of: %v %s", err, info)
	}

	write("more.go", "package main\n\nvar wrong int = `text`\n")
	said.Reset()
	if _, err := b.build(t.Context(), out); err == nil {
		t.Fatal("built of a mistake")
	}
	command := exec.Command("go", "build", "-o", out, ".")
	command.Dir = dir
	theirs, err := command.CombinedOutput()
	if err == nil || said.String() != string(theirs) || !strings.Contains(said.String(), "more.go:3:17") {
		t.Errorf("said %q, the go command %q", &said, theirs)
	}
	write("more.go", "package main\n")
	build(false, "1 w2 a2, longer 3")
	write("more.go", "package main\n\nvar set string\n\nfunc init() { print(set) }\n")
	build(true, "1 w2 a2, longer 3")
	write("goenv", "GOFLAGS=-ldflags=-X=main.set=flag\n")
	if _, err := b.build(t.Context(), out); err != nil {
		t.Fatal(err, &said)
	}
	if got, err := exec.Command(out).CombinedOutput(); err != nil || !strings.HasPrefix(string(got), "flag") {
		t.Errorf("flags that were set meanwhile: %s %v", got, err)
	}
	t.Logf("%d programs without the go command", b.direct)
}

// TestHead holds that bodies do not matter, and all else does.
func TestHead(t *testing.T) {
	const text = "//go:build linux\n\n// Package p.\npackage p\n\nimport \"os\"\n\n//go:embed a\nvar a string\n\nfunc f() { os.Exit(1) }\n"
	want, err := head([]byte(text))
	must(t, err)
	for _, c := range []struct {
		old, new string
		same     bool
	}{
		{"os.Exit(1)", "os.Exit(2)", true},
		{"// Package p.", "// Package p, in other words.", true},
		{"func f()", "func g()", true},
		{"build linux", "build !linux", false},
		{"package p", "package q", false},
		{`import "os"`, `import x "os"`, false},
		{`import "os"`, "import \"os\"\nimport \"io\"", false},
		{"embed a", "embed b", false},
		{"func f", "//go:linkname f g\nfunc f", false},
	} {
		got, err := head([]byte(strings.Replace(text, c.old, c.new, 1)))
		must(t, err)
		if (got == want) != c.same {
			t.Errorf("%s for %s: the same: %v", c.new, c.old, got == want)
		}
	}
}

// TestEmbedMatches gives files to patterns as the go command does.
func TestEmbedMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, file string
		want          bool
	}{
		{"static", "static/a/b.js", true},
		{"static", "static/.a", false},
		{"static", "static/_a/b", false},
		{"all:static", "static/.a", true},
		{"static/*", "static/.a", true},
		{"static/*", "static/a/.b", false},
		{"static/*.js", "static/a.css", false},
		{"static", "statics/a", false},
		{"a.txt", "a.txt", true},
		{"*", "a/b/c", true},
	} {
		if got, err := matches(c.pattern, c.file); got != c.want || err != nil {
			t.Errorf("%s names %s: %v %v", c.pattern, c.file, got, err)
		}
	}
}

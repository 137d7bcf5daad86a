package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	root "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/cli"
)

type place struct {
	ID    int      `json:"id"`
	Name  string   `json:"name" http:"validate=length(1,20)"`
	Area  *float64 `json:"area"`
	Words []string `json:"words"`
}

// TestTransfer exports over several pages in both formats, imports that elsewhere, and exports the
// same again; what is wrong names its line, and all before it stays.
func TestTransfer(t *testing.T) {
	serve := func() (string, *root.Collection[place], *root.App) {
		app := root.New(root.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"})
		c := root.Model[place](app, "/api/places")
		must(t, app.Start(t.Context()))
		t.Cleanup(func() { must(t, app.Shutdown(context.Background())) })
		return "http://" + app.Addr() + "/api/places", c, app
	}
	from, places, app := serve()
	const many = 2345
	must(t, app.Update(t.Context(), func(tx *root.Tx) error {
		for i := range many {
			p := &place{ID: i + 1, Name: fmt.Sprintf("näme \"%d\", x", i)}
			if i%3 == 0 {
				area := float64(i) / 8
				p.Area, p.Words = &area, []string{"a,b", "c\nd"}
			}
			if err := places.Insert(tx, p); err != nil {
				return err
			}
		}
		return nil
	}))
	dir := t.TempDir()
	for _, format := range []string{"jsonl", "csv"} {
		file, again := filepath.Join(dir, "a."+format), filepath.Join(dir, "b."+format)
		if code, out, words := lithair("", "export", from, file); code != 0 || !strings.Contains(words, fmt.Sprint(many)+" records exported") {
			t.Fatalf("export: %d %s%s", code, out, words)
		}
		to, _, _ := serve()
		for range 2 { // the second time changes nothing
			if code, out, words := lithair("", "import", to, file, "-batch", "300"); code != 0 || !strings.Contains(words, fmt.Sprint(many)+" records imported") {
				t.Fatalf("import %s: %d %s%s", file, code, out, words)
			}
		}
		if code, _, words := lithair("", "export", to, again); code != 0 {
			t.Fatal(words)
		}
		a, err := os.ReadFile(file)
		must(t, err)
		b, err := os.ReadFile(again)
		must(t, err)
		if string(a) != string(b) || len(a) < many*20 {
			t.Errorf("%s: %d bytes went, %d came back, and they differ", format, len(a), len(b))
		}
		if code, _, words := lithair("", "export", from, file); code != cli.CodeLocked {
			t.Errorf("over a file: %d %s", code, words)
		}
	}
	to, _, _ := serve()
	for _, c := range []struct {
		name, in, args, want string
		code                 int
	}{
		{"no JSON", "{\"id\":1,\"name\":\"a\"}\n\n{\"id\":\n", "- -batch 1", "line 3: ", 1},
		{"an array", "[1]\n", "-", "line 1: want an object", 1},
		{"against a rule", "{\"id\":2,\"name\":\"b\"}\n\n{\"id\":3,\"name\":\"c\"}\n{\"id\":4,\"name\":\"\"}\n", "- -batch 3", "line 4: ", 1},
		{"a column too many", "id,nmae\n1,a\n", "- -format csv", `line 1: the collection has no field "nmae"`, 1},
		{"a cell of another type", "id,name\n7,a\nx,b\n", "- -format csv", `line 3: field id: "x" is no integer`, 1},
		{"an open quote", "id,name\n7,\"a\n", "- -format csv", "line 2: ", 1},
		{"another format", "", "- -format xml", "is not jsonl or csv", cli.CodeUsage},
	} {
		code, out, words := lithair(c.in, append([]string{"import", to}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(words, c.want) {
			t.Errorf("%s: %d, want %d and %q: %s%s", c.name, code, c.code, c.want, out, words)
		}
	}
	if code, out, _ := lithair("", "export", to, "-"); code != 0 || out != "{\"id\":1,\"name\":\"a\",\"area\":null,\"words\":null}\n" {
		t.Errorf("what was imported before the mistakes: %d %s", code, out)
	}
	if code, _, words := lithair("", "export", to+"x", "-"); code != cli.CodeNotFound {
		t.Errorf("another path: %d %s", code, words)
	}
	if code, _, words := lithair("", "import", "http://127.0.0.1:1/api/places", "-"); code != 0 {
		t.Errorf("nothing to import asks nobody: %d %s", code, words)
	}
	if code, _, words := lithair("{}", "import", "http://127.0.0.1:1/api/places", "-"); code != cli.CodeUnreachable {
		t.Errorf("nobody: %d %s", code, words)
	}
}

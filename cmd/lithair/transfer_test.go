package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

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
		{"a cell that is not UTF-8", "id,name\n8,caf\xe9\n", "- -format csv", `line 2: field name: "caf\xe9" is not UTF-8`, 1},
		{"a column twice", "id,name,name\n8,a,b\n", "- -format csv", `line 1: "name" is there twice`, 1},
		{"a row without end", "id,name\n8,a\n9,\"" + strings.Repeat("a\n", 9<<20), "- -format csv -batch 1", "line 3: it has more than 16777216 bytes; 1 records", 1},
		{"another format", "", "- -format xml", "is not jsonl or csv", cli.CodeUsage},
	} {
		code, out, words := lithair(c.in, append([]string{"import", to}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(words, c.want) {
			t.Errorf("%s: %d, want %d and %q: %s%s", c.name, code, c.code, c.want, out, words)
		}
	}
	if code, out, _ := lithair("", "export", to, "-"); code != 0 || out != "{\"id\":1,\"name\":\"a\",\"area\":null,\"words\":null}\n{\"id\":8,\"name\":\"a\",\"area\":null,\"words\":null}\n" {
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

type parcel struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Note  string            `json:"note,omitempty"`
	Alias *string           `json:"alias,omitempty"`
	Due   *time.Time        `json:"due"`
	More  map[string]string `json:"more,omitempty"`
	Made  time.Time         `json:"made" lithair:"created"`
}

// TestTransferWhole: what only later records have has a column; text that may be null, CR LF and
// quotes come back as they were; what the server sets is passed over where that is asked for.
func TestTransferWhole(t *testing.T) {
	app := root.New(root.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"})
	parcels := root.Model[parcel](app, "/api/parcels")
	must(t, app.Start(t.Context()))
	t.Cleanup(func() { must(t, app.Shutdown(context.Background())) })
	url, dir := "http://"+app.Addr()+"/api/parcels", t.TempDir()
	alias, due := "a", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []parcel{
		{ID: 1, Name: "one"},
		{ID: 2, Name: "\r\n\"\r\"\n\r\r\n,\r", Note: "null", Alias: &alias, Due: &due, More: map[string]string{"a": "b\r\n"}},
		{ID: 3, Name: "\"", Note: "\r"},
	}
	clear := func(put bool) {
		must(t, app.Update(t.Context(), func(tx *root.Tx) (err error) {
			for i := range want {
				if p := want[i]; put {
					err = errors.Join(err, parcels.Insert(tx, &p))
				} else {
					err = errors.Join(err, parcels.Delete(tx, p.ID))
				}
			}
			return err
		}))
	}
	clear(true)
	var files []string
	for _, format := range []string{"jsonl", "csv"} {
		file := filepath.Join(dir, "a."+format)
		if code, _, words := lithair("", "export", url, file); code != 0 {
			t.Fatalf("%d %s", code, words)
		}
		files = append(files, file)
	}
	for _, file := range files {
		clear(false)
		if code, _, words := lithair("", "import", url, file); code != 1 || !strings.Contains(words, "made") || !strings.Contains(words, "line 1: ") {
			t.Errorf("%s: %d %s", file, code, words)
		}
		for _, says := range []string{"3 records imported", "; 3 of them by an earlier run"} {
			if code, _, words := lithair("", "import", url, file, "-without", "made"); code != 0 || !strings.Contains(words, says) {
				t.Errorf("%s: %d %s", file, code, words)
			}
		}
		must(t, app.View(func(s *root.Snapshot) error {
			for _, w := range want {
				got, err := parcels.Get(s, w.ID)
				if err != nil {
					return err
				}
				if w.Made = got.Made; w.Made.IsZero() || !reflect.DeepEqual(got, w) {
					t.Errorf("%s: got %+v, want %+v", file, got, w)
				}
			}
			return nil
		}))
	}
	for _, bad := range []string{url + "?name=one", "127.0.0.1/api/parcels", "http://" + app.Addr()} {
		if code, out, words := lithair("", "export", bad, "-"); code != cli.CodeUsage || out != "" || strings.Contains(words, "exported") {
			t.Errorf("%s: %d %s%s", bad, code, out, words)
		}
	}
	if code, _, words := lithair("", "export", url+"s", "-"); code == 0 || strings.Contains(words, "exported") {
		t.Errorf("what failed says %q", words)
	}
}

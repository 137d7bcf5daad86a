package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchema has the program of a project tell about its models.
func TestSchema(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program several times")
	}
	dir := filepath.Join(t.TempDir(), "notes")
	if code, _, err := lithair("", "new", dir, "-no-frontend"); code != 0 {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "off")
	t.Chdir(dir)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"schema diff -check", 1, "the model is new"},
		{"schema apply -json", 0, `"written":"lithair.schema.json"`},
		{"schema diff -check", 0, "nothing differs"},
	} {
		code, out, words := lithair("", strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+words, c.want) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s%s", c.args, code, c.code, c.want, out, words)
		}
	}
	if text, err := os.ReadFile("lithair.schema.json"); err != nil || !strings.Contains(string(text), `"number": 1`) {
		t.Errorf("%s %v", text, err)
	}
	source, err := os.ReadFile("model.go")
	must(t, err)
	must(t, os.WriteFile("model.go", []byte(strings.Replace(string(source), `json:"text"`, `json:"body"`, 1)), 0o644))
	if code, out, words := lithair("", "schema", "apply"); code != 1 || !strings.Contains(words, "run lithair gen") {
		t.Errorf("%d %s%s", code, out, words)
	}
	if code, _, words := lithair("", "gen"); code != 0 {
		t.Fatal(words)
	}
	if code, out, words := lithair("", "schema", "apply"); code != 1 || !strings.Contains(out, "lossy ") {
		t.Errorf("%d %s%s", code, out, words)
	}
}

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	root "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/cli"
)

// TestGenClient makes clients of a running application, of a program and of a file, and keeps
// its hands off what it did not write.
func TestGenClient(t *testing.T) {
	app := root.New(root.Config{Name: "towns", Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"})
	root.Model[town](app, "/api/towns")
	must(t, app.Start(t.Context()))
	defer app.Shutdown(context.Background())
	dir, url := t.TempDir(), "http://"+app.Addr()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(in("mine.ts"), []byte("export {};\n"), 0o644))
	must(t, os.WriteFile(in("other.json"), []byte(`{"openapi":"3.1.0"}`), 0o644))
	steps := []struct {
		what     string
		args     []string
		code     int
		out, err string
	}{
		{"check of what is not there", []string{"-check", "-o", in("api.ts"), url}, 1, "+export class Client {", "not up to date"},
		{"write", []string{"-o", in("api.ts"), url}, 0, "", "wrote " + in("api.ts")},
		{"nothing to do", []string{"-o", in("api.ts"), url + "/"}, 0, "", ""},
		{"check", []string{"-check", "-o", in("api.ts"), url + "/openapi.json"}, 0, "", ""},
		{"another language at that place", []string{"-lang", "py", "-o", in("api.ts"), url}, 0, "", "wrote"},
		{"somebody else's file", []string{"-o", in("mine.ts"), url}, 1, "", "was not made by lithair gen client"},
		{"the document", []string{"-o", in("openapi.json"), url}, 0, "", "wrote"},
		{"of the document", []string{"-lang", "go", in("openapi.json")}, 0, "package client\n", ""},
		{"of another document", []string{"-lang", "go", in("other.json")}, 1, "", "no member x-lithair"},
		{"of a program", []string{"-lang", "js", "../../examples/hello"}, 0, "export class Client {", ""},
		{"of no program", []string{"-lang", "js", "../../rest"}, 1, "", "want a program that ends in App.Run"},
		{"no language", []string{"-o", in("api.rb"), url}, 2, "", "want one of ts, js, py, go, openapi"},
		{"unknown language", []string{"-lang", "rust", url}, 2, "", "-lang rust: want one of"},
		{"check of standard output", []string{"-lang", "ts", "-check", url}, 2, "", "-check wants the file"},
		{"nobody", []string{"-lang", "ts", "http://127.0.0.1:1"}, cli.CodeUnreachable, "", ""},
		{"nothing", []string{"-lang", "ts", in("none")}, cli.CodeNotFound, "", "no such file"},
		{"in the program's own package", []string{"-package", "main", "-o", "../../examples/hello/client.go", "../../examples/hello"}, 2, "", "the application's own package"},
		{"in another package", []string{"-o", "../../examples/hello/client.go", url}, 2, "", "is of package main"},
		{"two of them", []string{"-lang", "ts", url, url}, 2, "", "want [SOURCE]"},
	}
	for _, s := range steps {
		code, out, err := lithair("", append([]string{"gen", "client"}, s.args...)...)
		if code != s.code || !strings.Contains(out, s.out) || !strings.Contains(err, s.err) {
			t.Errorf("%s: exit code %d, want %d\nout: %.500s\nerr: %s", s.what, code, s.code, out, err)
		}
	}
	b, err := os.ReadFile(in("mine.ts"))
	if err != nil || string(b) != "export {};\n" {
		t.Errorf("%s %v", b, err)
	}
	t.Logf("%d calls", len(steps))
}

package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	root "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/wire"
)

// TestRoutes lists what a running application has.
func TestRoutes(t *testing.T) {
	app := root.New(root.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", LogLevel: "error"})
	root.Model[town](app, "/api/towns")
	app.Authenticate(func(*wire.Request) (root.Principal, error) { return root.Principal{}, nil })
	must(t, app.Start(t.Context()))
	defer app.Shutdown(context.Background())
	url := "http://" + app.Addr()
	code, out, err := lithair("", "routes", "-url", url, "-match", "GET /api/towns")
	if code != 0 || strings.Count(out, "\n") != 7 || !strings.Contains(out, "GET  /api/towns/count ") || !strings.Contains(out, "guarded") {
		t.Errorf("exit code %d\n%s%s", code, out, err)
	}
	code, out, _ = lithair("", "routes", "-url", url+"/", "-json")
	for line := range strings.Lines(out) {
		var r listed
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Method == "" || r.Summary == "" {
			t.Errorf("%s: %v", line, err)
		}
	}
	if n := strings.Count(out, "\n"); code != 0 || n != len(app.Routes()) {
		t.Errorf("%d routes, and the application has %d", n, len(app.Routes()))
	}
	if code, _, _ := lithair("", "routes", "-url", url+"/nowhere"); code != cli.CodeNotFound {
		t.Errorf("another document: exit code %d", code)
	}
	if code, _, _ := lithair("", "routes", "-url", "http://127.0.0.1:1"); code != cli.CodeUnreachable {
		t.Errorf("nobody: exit code %d", code)
	}
}

// TestVet finds mistakes of models with and without generated code, in both forms.
func TestVet(t *testing.T) {
	dir := t.TempDir()
	source := `package p

import lithair "github.com/lithair/lithair-go"

type Note struct {
	ID     int    ` + "`json:\"id\"`" + `
	Text   string ` + "`json:\"text\" lithair:\"uniqe\"`" + `
	Writer int    ` + "`json:\"writer\" lithair:\"fk=Autor\"`" + `
}

type Author struct {
	ID int
}

func register(app *lithair.App) {
	lithair.Model[Note](app, "/api/notes")
	lithair.Model[Author](app, "/api/authors")
}
`
	write := func(text string) { must(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(text), 0o644)) }
	write(source)
	code, out, _ := lithair("", "vet", dir)
	if code != cli.CodeFailed || !strings.Contains(out, `p.go:7:38: tag lithair: unknown word "uniqe"; did you mean "unique"?`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	write(strings.Replace(source, "uniqe", "unique", 1))
	code, out, _ = lithair("", "vet", "-json", dir)
	var f finding
	if err := json.Unmarshal([]byte(out), &f); err != nil || code != 0 || f.Severity != "note" || f.Line != 8 || f.DidYouMean != "Author" {
		t.Errorf("exit code %d: %s, %v", code, out, err)
	}
	write("package p\n\n//lithair:model\ntype Note struct{ ID int }\n")
	if code, out, _ := lithair("", "vet", dir); code != cli.CodeFailed || !strings.Contains(out, "zz_lithair.go:1:1: is not up to date") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := lithair("", "version", "-json")
	var b cli.Build
	if err := json.Unmarshal([]byte(out), &b); err != nil || code != 0 || b.Version == "" || b.Go == "" || b.Log == 0 {
		t.Errorf("%d %s %v", code, out, err)
	}
	if code, out, _ := lithair("", "version"); code != 0 || !strings.HasPrefix(out, "lithair ") {
		t.Errorf("%d %s", code, out)
	}
}

// TestCompletion completes in real shells, those that are here.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, script, err := lithair("", "completion", shell)
		if code != 0 || !strings.Contains(script, "lithair") {
			t.Fatalf("%s: exit code %d %s", shell, code, err)
		}
		for _, k := range program().Commands {
			if word, _, _ := strings.Cut(k.Name, " "); !strings.Contains(script, word) {
				t.Errorf("%s: %s is missing", shell, word)
			}
		}
		path, missing := exec.LookPath(shell)
		if missing != nil {
			t.Logf("NOT RUN: %s is not installed", shell)
			continue
		}
		file := filepath.Join(t.TempDir(), "completion")
		must(t, os.WriteFile(file, []byte(script), 0o644))
		if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
		if shell == "fish" {
			out, err := exec.Command(path, "-c", "source "+file+"; complete -C 'lithair cl'; complete -C 'lithair cluster st'; complete -C 'lithair gen -ch'").CombinedOutput()
			for _, want := range []string{"cluster\t", "status\t", "-check\t"} {
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("fish: %q is missing in %s (%v)", want, out, err)
				}
			}
		}
		if shell != "bash" {
			continue
		}
		for _, c := range [][2]string{
			{"lithair cl", "cluster"}, {"lithair cluster st", "status"}, {"lithair cluster ''", "init certs status add members join-token hash verify recover promote remove reseed transfer"}, {"lithair gen -ch", "-check"},
			{"lithair state at -js", "-json"}, {"lithair completion ''", "bash zsh fish"}, {"lithair nonsense ''", ""},
		} {
			words := strings.Fields(c[0])
			line := "source " + file + "; COMP_WORDS=(" + c[0] + "); COMP_CWORD=" + string('0'+rune(len(words)-1)) + "; _lithair; echo \"${COMPREPLY[*]}\""
			out, err := exec.Command(path, "-c", line).CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || !strings.HasPrefix(got, c[1]) || c[1] == "" && got != "" {
				t.Errorf("%s: %q completes to %q, want %q (%v)", shell, c[0], got, c[1], err)
			}
		}
	}
	if code, _, _ := lithair("", "completion", "cmd"); code != cli.CodeUsage {
		t.Errorf("an unknown shell: exit code %d", code)
	}
}

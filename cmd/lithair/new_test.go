package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNewNames(t *testing.T) {
	for _, c := range []struct {
		name string
		code int
		said string
	}{
		{"My_App", 2, `how about "my-app"?`}, {"2fast", 2, `how about "fast"?`}, {"a--b", 2, `how about "a-b"?`}, {"...", 2, "is no name"}, {"Ça", 2, `how about "a"?`}, {"notes", 0, ""}, {"a1-b2", 0, ""},
	} {
		code, out, err := lithair("", "new", filepath.Join(t.TempDir(), c.name), "-dry-run")
		if code != c.code || !strings.Contains(err, c.said) || (code == 0) != strings.Contains(out, "main.go") {
			t.Errorf("%s: exit code %d, out %s, err %s", c.name, code, out, err)
		}
	}
	for _, args := range [][]string{{"-module", "a b"}, {"-module", "a//b"}, {"-module", "../a"}, {"-module", "fmt"}, {"-template", "shop"}, {"-replace", t.TempDir()}} {
		if code, _, err := lithair("", append([]string{"new", "notes", "-dry-run"}, args...)...); code == 0 || err == "" {
			t.Errorf("%q: exit code %d, %s", args, code, err)
		}
	}
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "x"), nil, 0o644))
	must(t, os.Rename(full, full+"a"))
	if code, _, err := lithair("", "new", full+"a"); code == 0 {
		t.Error("a folder that is not empty was written to", err)
	}
}

// TestNewNamesOfGo: a module whose path is that of a package of Go would not build, so it is refused; other words are fine.
func TestNewNamesOfGo(t *testing.T) {
	list, err := exec.Command("go", "list", "std").Output()
	must(t, err)
	taken := 0
	for _, name := range append(strings.Fields(string(list)), "go", "main", "cmd") {
		if strings.Contains(name, "/") {
			continue
		}
		taken++
		if code, _, err := lithair("", "new", filepath.Join(t.TempDir(), name), "-dry-run"); code == 0 || !strings.Contains(err, "-module example.org/"+name) {
			t.Errorf("%s: exit code %d, %s", name, code, err)
		}
	}
	if taken < 20 {
		t.Errorf("only %d names were tried", taken)
	}
	if code, _, err := lithair("", "new", filepath.Join(t.TempDir(), "log"), "-module", "example.org/log", "-dry-run"); code != 0 {
		t.Error(err)
	}
}

// TestNewReplaceInOddFolders: go.mod is read by the go command wherever the checkout lies.
func TestNewReplaceInOddFolders(t *testing.T) {
	at, err := filepath.Abs("../..")
	must(t, err)
	for _, folder := range []string{"a folder", "a,b", "(c)"} {
		dir := filepath.Join(t.TempDir(), folder)
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.Symlink(at, filepath.Join(dir, "checkout")))
		if code, _, err := lithair("", "new", filepath.Join(dir, "notes"), "-replace", filepath.Join(dir, "checkout")); code != 0 {
			t.Fatal(err)
		}
		list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/lithair/lithair-go")
		list.Dir = filepath.Join(dir, "notes")
		out, err := list.CombinedOutput()
		if want := filepath.Join(dir, "checkout"); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %v %s, want %s", folder, err, out, want)
		}
	}
}

// TestNewFiles: what each template has, and what the flags leave out.
func TestNewFiles(t *testing.T) {
	for _, c := range []struct {
		args      []string
		has, lack []string
		inMod     string
	}{
		{nil, []string{"static/app.js", "AGENTS.md", ".github/workflows/ci.yml", "notes.service", "zz_lithair.go"}, nil, "module notes\n"},
		{[]string{"-no-frontend", "-no-agents-md", "-module", "example.org/notes"}, []string{"Dockerfile", "main_test.go"}, []string{"static/app.js", "AGENTS.md"}, "module example.org/notes\n"},
		{[]string{"-template", "chat"}, []string{"static/app.js", "main_test.go", "page_test.go", "AGENTS.md"}, nil, "module notes\n"},
		{[]string{"-no-replace"}, []string{"main.go"}, nil, "require github.com/lithair/lithair-go v"},
	} {
		dir := filepath.Join(t.TempDir(), "notes")
		if code, _, err := lithair("", append([]string{"new", dir}, c.args...)...); code != 0 {
			t.Fatal(err)
		}
		for _, name := range c.has {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("%q: %v", c.args, err)
			}
		}
		for _, name := range c.lack {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("%q: %s is there", c.args, name)
			}
		}
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		must(t, err)
		if !strings.Contains(string(mod), c.inMod) || strings.Contains(strings.Join(c.args, " "), "no-replace") == strings.Contains(string(mod), "replace") {
			t.Errorf("%q: go.mod is\n%s", c.args, mod)
		}
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if strings.Contains(string(b), "[[.") || strings.HasSuffix(path, ".tmpl") {
				t.Errorf("%s is not filled in", path)
			}
			return err
		}))
	}
}

// TestNewWorks: what new writes is vetted, passes its tests, offline, and has nothing to
// generate; the tool works as the module's own.
func TestNewWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds three programs")
	}
	for _, kind := range templateNames {
		dir := filepath.Join(t.TempDir(), "notes")
		if code, _, err := lithair("", "new", dir, "-template", kind); code != 0 {
			t.Fatal(err)
		}
		for _, line := range []string{"go vet ./...", "go test ./...", "gofmt -l .", "go generate ./...", "go tool lithair gen -check ./...", "go tool lithair vet ./..."} {
			words := strings.Fields(line)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, words[0], words[1:]...)
			cmd.WaitDelay = 10 * time.Second // what it has started may have its output
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
			out, err := cmd.CombinedOutput()
			if err != nil || words[0] == "gofmt" && len(out) > 0 {
				t.Errorf("%s: %s: %v\n%s", kind, line, err, out)
			}
		}
	}
}

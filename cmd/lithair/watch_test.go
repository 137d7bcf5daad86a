package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWatchers has each kind of watcher see files that are written, moved and removed, in folders
// that came later, too.
func TestWatchers(t *testing.T) {
	for _, kind := range []struct {
		name string
		make func(dir string) (watcher, error)
	}{
		{"poller", func(string) (watcher, error) { return newPoller(5 * time.Millisecond), nil }},
		{"system", systemWatcher},
	} {
		t.Run(kind.name, func(t *testing.T) {
			dir := t.TempDir()
			w, err := kind.make(dir)
			if err != nil {
				t.Skipf("NOT RUN: %v", err)
			}
			defer w.close()
			d := &dev{builder: &builder{root: dir}}
			file, sub := filepath.Join(dir, "a.go"), filepath.Join(dir, "sub")
			for _, step := range []struct {
				name string
				do   func() error
			}{
				{"write", func() error { return os.WriteFile(file, []byte("a"), 0o600) }},
				{"move", func() error { return os.Rename(file, filepath.Join(dir, "b.go")) }},
				{"folder", func() error { return os.Mkdir(sub, 0o700) }},
				{"write in it", func() error { return os.WriteFile(filepath.Join(sub, "c.go"), []byte("c"), 0o600) }},
				{"remove", func() error { return os.Remove(filepath.Join(sub, "c.go")) }},
			} {
				_, err := d.changed(w)
				must(t, err)
				must(t, step.do())
				for end := time.After(time.Minute); ; {
					select {
					case <-w.changed():
					case <-end:
						t.Fatalf("%s: nothing is told", step.name)
					}
					changed, err := d.changed(w)
					must(t, err)
					if changed || step.name == "folder" { // a folder is no file
						break
					}
				}
			}
		})
	}
}

// TestPassedOver: what a program writes into its data directory is no change of it, whatever that is called; a package
// called data is source.
func TestPassedOver(t *testing.T) {
	for name, want := range map[string]bool{
		"main.go":               true,
		"internal/data/data.go": true,
		"internal/data/a.sql":   true,
		"store/log/x.seg":       false,
		"store/operator":        false,
		"data/any":              false,
		"node_modules/a/a.js":   false,
		"web/.cache":            false,
		"web/page.html":         true,
	} {
		dir := t.TempDir()
		for _, file := range []string{"internal/data/data.go", "store/log/LOCK", "data/node"} {
			must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o700))
			must(t, os.WriteFile(filepath.Join(dir, file), nil, 0o600))
		}
		before, err := fingerprint(dir)
		must(t, err)
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("package a"), 0o600))
		if now, err := fingerprint(dir); err != nil || (now != before) != want {
			t.Errorf("%s matters: %v, not %v (%v)", name, now != before, want, err)
		}
	}
}

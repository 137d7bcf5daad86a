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
				before, err := fingerprint(dir)
				must(t, err)
				must(t, step.do())
				for end := time.After(time.Minute); ; {
					select {
					case <-w.changed():
					case <-end:
						t.Fatalf("%s: nothing is told", step.name)
					}
					now, err := fingerprint(dir)
					must(t, err)
					if now != before || step.name == "folder" { // a folder is no file
						break
					}
				}
				w.look()
			}
		})
	}
}

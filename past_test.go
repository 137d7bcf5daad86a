package lithair

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
)

// TestViewAt reads the past from Go, also after a restart.
func TestViewAt(t *testing.T) {
	dir := t.TempDir()
	var indexes []uint64
	check := func(a *App, notes *Collection[note]) {
		t.Helper()
		for i, at := range indexes {
			err := a.ViewAt(t.Context(), at, func(s *Snapshot) error {
				n := 0
				for v, err := range notes.Scan(s) {
					if err != nil {
						return err
					}
					if n++; !strings.HasPrefix(v.Text, "note ") {
						t.Errorf("at %d: %+v", at, v)
					}
				}
				if n != i+1 || s.Seq() != at {
					t.Errorf("at %d: %d notes at sequence %d, want %d", at, n, s.Seq(), i+1)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := a.ViewAt(t.Context(), 1_000_000, func(*Snapshot) error { return nil })
		if !errors.Is(err, engine.ErrFuture) {
			t.Errorf("the future: %v", err)
		}
	}
	for round := range 2 {
		a := newApp(t, Config{Dir: dir})
		notes := Model[note](a, "/api/notes")
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			for i := range 5 {
				err := a.Update(t.Context(), func(tx *Tx) error {
					return notes.Insert(tx, &note{Text: "note " + string(rune('a'+i))})
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := a.View(func(s *Snapshot) error { indexes = append(indexes, s.Seq()); return nil }); err != nil {
					t.Fatal(err)
				}
			}
		}
		check(a, notes)
		if err := a.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRetention is a table of policies.
func TestRetention(t *testing.T) {
	for _, c := range []struct {
		text string
		want engine.SnapshotConfig
		ok   bool
	}{
		{"all", engine.SnapshotConfig{}, true},
		{"snapshot", engine.SnapshotConfig{Compact: true}, true},
		{"30d", engine.SnapshotConfig{MaxAge: 720 * time.Hour}, true},
		{"12h", engine.SnapshotConfig{MaxAge: 12 * time.Hour}, true},
		{"10GB", engine.SnapshotConfig{MaxLogBytes: 10_000_000_000}, true},
		{"64MiB", engine.SnapshotConfig{MaxLogBytes: 64 << 20}, true},
		{"7d, 1GiB", engine.SnapshotConfig{MaxAge: 168 * time.Hour, MaxLogBytes: 1 << 30}, true},
		{"forever", engine.SnapshotConfig{}, false}, {"", engine.SnapshotConfig{}, false}, {"30", engine.SnapshotConfig{}, false},
		{"0d", engine.SnapshotConfig{}, false}, {"-1d", engine.SnapshotConfig{}, false}, {"d", engine.SnapshotConfig{}, false},
		{"1d,2d", engine.SnapshotConfig{}, false}, {"1GB,2GB", engine.SnapshotConfig{}, false}, {"1d,", engine.SnapshotConfig{}, false},
		{"all,1d", engine.SnapshotConfig{}, false}, {"99999999999999d", engine.SnapshotConfig{}, false}, {"1.5d", engine.SnapshotConfig{}, false},
	} {
		got, err := parseRetention(c.text)
		if (err == nil) != c.ok || c.ok && (got.Compact != c.want.Compact || got.MaxAge != c.want.MaxAge || got.MaxLogBytes != c.want.MaxLogBytes) {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
	a := newApp(t, Config{Retention: "forever"})
	if err := startErr(t, a); !strings.Contains(err, "retention") || !strings.Contains(err, "snapshot") {
		t.Errorf("%s", err)
	}
}

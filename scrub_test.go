package lithair

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScrub: damage in what nobody reads is found while the application runs.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir, ScrubInterval: time.Millisecond})
	notes := Model[note](a, "/api/notes")
	start(t, a)
	err := a.Update(t.Context(), func(tx *Tx) error { return notes.Insert(tx, &note{Text: "the text that rots"}) })
	if err != nil {
		t.Fatal(err)
	}
	await(t, "nothing was scrubbed", func() bool { return a.scrub.done.Load() != 0 })
	if a.scrub.damaged.Load() {
		t.Fatal("damage in a sound log")
	}
	segments, err := filepath.Glob(filepath.Join(dir, "log", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	flip := func() {
		t.Helper()
		f, err := os.OpenFile(segments[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 64<<10)
		n, err := f.ReadAt(b, 0)
		at := bytes.Index(b[:n], []byte("the text "))
		if at < 0 {
			t.Fatal("the text is not in the log", err)
		}
		if _, err := f.WriteAt([]byte{b[at+12] ^ 1}, int64(at+12)); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	await(t, "damage was not found", a.scrub.damaged.Load)
	flip()
	await(t, "what is whole again still counts as damaged", func() bool { return !a.scrub.damaged.Load() })
}

// TestLogCompress: a full segment shrinks while the application runs.
func TestLogCompress(t *testing.T) {
	a := newApp(t, Config{LogCompress: true})
	notes := Model[note](a, "/api/notes")
	start(t, a)
	text := strings.Repeat("the same again and again ", 12<<20/25)
	for range 6 { // more than a segment
		if err := a.Update(t.Context(), func(tx *Tx) error { return notes.Insert(tx, &note{Text: text}) }); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the segment did not shrink", func() bool { return a.events.Size() < 72<<20 })
}

package eventlog_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
)

// TestFullFileSystem fills a real file system of 1 MiB: appends are refused, what was
// acknowledged stays, and the log goes on when there is room again.
func TestFullFileSystem(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no file system can be mounted here (%v); TestFull fills the simulated disk", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(mount, syscall.MNT_DETACH)) })
	cfg := eventlog.Config{Dir: filepath.Join(mount, "log"), SegmentBytes: 64 << 10, Logger: silent}
	l, err := eventlog.Open(cfg)
	must(t, err)
	payload := make([]byte, 5000)
	fill := func() (n uint64) {
		for ; ; n++ {
			if _, err := l.Add(eventlog.Record{Payload: payload}); errors.Is(err, eventlog.ErrFull) {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	n := fill()
	if n == 0 || l.Durable() != n || l.Err() != nil {
		t.Fatalf("%d appended, durable %d, %v", n, l.Durable(), l.Err())
	}
	if again := fill(); again > 20 { // no more than a segment's rest
		t.Errorf("%d more appended to a full disk", again)
	}
	last := l.Durable()
	must(t, l.TruncateBefore(last))
	if more := fill(); more == 0 {
		t.Error("nothing was appended although there is room again")
	}
	last = l.Durable()
	end := func() { // there may be no room for the mark
		if err := l.Close(); err != nil && !errors.Is(err, eventlog.ErrFull) {
			t.Fatal(err)
		}
	}
	end()
	if l, err = eventlog.Open(cfg); err != nil {
		t.Fatal(err)
	}
	if l.Durable() != last {
		t.Errorf("opened on a full disk: durable %d, want %d", l.Durable(), last)
	}
	end()
	if rep, err := eventlog.Verify(eventlog.Config{FS: nil, Dir: cfg.Dir}, nil); err != nil || rep.Last != last {
		t.Errorf("%+v, %v", rep, err)
	}
}

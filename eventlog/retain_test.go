package eventlog_test

import (
	"errors"
	"path"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestRetain removes by bytes, by age and as far as it may; what goes is archived before,
// and the archive is a log by itself. plain has four segments of 15 records, with their
// index as time.
func TestRetain(t *testing.T) {
	const segment, trimmed = 12 << 10, 4096 + 15*520 // the last has a mark too
	cases := []struct {
		name    string
		r       eventlog.Retention
		removed int
	}{
		{"no bound", eventlog.Retention{Keep: 61}, 0},
		{"nothing may go", eventlog.Retention{MaxBytes: 1}, 0},
		{"bytes", eventlog.Retention{Keep: 61, MaxBytes: 2 * segment}, 2},
		{"bytes that are there", eventlog.Retention{Keep: 61, MaxBytes: 4 * segment}, 0},
		{"bytes, but a follower needs the second segment", eventlog.Retention{Keep: 30, MaxBytes: segment}, 1},
		{"the active segment stays", eventlog.Retention{Keep: 61, MaxBytes: 1}, 3},
		{"age", eventlog.Retention{Keep: 61, Before: 32}, 2},
		{"age of the last record in a segment", eventlog.Retention{Keep: 61, Before: 31}, 1},
		{"age before all", eventlog.Retention{Keep: 61, Before: -5}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fs, recs, _ := plain(t)
			salt := uint64(3)
			cfg := config(fs, &salt)
			l, err := eventlog.Open(cfg)
			must(t, err)
			must(t, l.Tend())
			must(t, l.Close())
			cfg.Manual = false
			l = open(t, cfg)
			must(t, fs.MkdirAll("archive"))
			c.r.Archive = func(s eventlog.Sealed) error {
				if l.First() != s.First || s.Last != s.First+14 || s.Bytes != trimmed {
					t.Errorf("%+v, the log begins at %d", s, l.First())
				}
				b, err := disk.ReadFile(fs, s.Name)
				if err != nil {
					return err
				}
				return disk.WriteFileAtomic(fs, "archive/"+path.Base(s.Name), b)
			}
			n, err := l.Retain(c.r)
			if err != nil || n != c.removed || l.First() != uint64(15*n)+1 || l.Size() != int64(3-n)*trimmed+trimmed+80 {
				t.Fatalf("%d removed, want %d, first %d: %v", n, c.removed, l.First(), err)
			}
			if rep, err := eventlog.Verify(eventlog.Config{FS: fs, Dir: "archive"}, nil); n > 0 && (err != nil || rep.Last != uint64(15*n) || rep.Chain != (state{recs: recs[:15*n]}).sum()) {
				t.Errorf("archive: %+v, %v", rep, err)
			}
		})
	}
}

// TestRetainArchiveFails keeps what could not be archived.
func TestRetainArchiveFails(t *testing.T) {
	fs, _, _ := plain(t)
	salt := uint64(3)
	cfg := config(fs, &salt)
	cfg.Manual = false
	l := open(t, cfg)
	broken, calls := errors.New("broken"), 0
	n, err := l.Retain(eventlog.Retention{Keep: 61, MaxBytes: 1, Archive: func(eventlog.Sealed) error {
		if calls++; calls == 2 {
			return broken
		}
		return nil
	}})
	if n != 1 || !errors.Is(err, broken) || calls != 2 || l.First() != 16 {
		t.Errorf("%d removed in %d calls, first %d: %v", n, calls, l.First(), err)
	}
}

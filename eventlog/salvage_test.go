package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// salvaging opens a log for salvage.
func salvaging(t *testing.T, cfg eventlog.Config) *eventlog.Log {
	t.Helper()
	cfg.Salvage = true
	l, err := eventlog.Open(cfg)
	must(t, err)
	return l
}

// readAround replays a log from hole to hole and returns what it read by index.
func readAround(t *testing.T, l *eventlog.Log) map[uint64][]byte {
	t.Helper()
	got := map[uint64][]byte{}
	for next := l.First(); next <= l.Last(); {
		err := l.Replay(next, func(r eventlog.Record) error {
			if r.Index != next {
				t.Fatalf("record %d instead of %d", r.Index, next)
			}
			got[r.Index] = bytes.Clone(r.Payload)
			next++
			return nil
		})
		if err == nil {
			break
		}
		var corrupt *eventlog.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Index != next || corrupt.Segment == "" || corrupt.Reason == "" {
			t.Fatalf("at %d: %v", next, err)
		}
		i := slices.IndexFunc(l.Damaged(), func(d eventlog.Damage) bool { return d.First <= next && next <= d.Last })
		if i < 0 {
			t.Fatalf("record %d is missing and in no range of %+v", next, l.Damaged())
		}
		next = l.Damaged()[i].Last + 1
	}
	return got
}

// TestOpenForSalvage damages a log in several ways and opens it for salvage: every record
// that is whole is served, with its chain value where that can be known, the others are
// named, nothing is written, and appends are refused.
func TestOpenForSalvage(t *testing.T) {
	const frame = 48 + 33 + 400 + 32 + 7
	for name, do := range map[string]func(fs *disk.Sim, s []string) error{
		"sound":        func(fs *disk.Sim, s []string) error { return nil },
		"one record":   func(fs *disk.Sim, s []string) error { return fs.Flip(s[1], 8*(4096+2*frame+100)) },
		"the first":    func(fs *disk.Sim, s []string) error { return fs.Flip(s[0], 8*(4096+9)) },
		"several":      func(fs *disk.Sim, s []string) error { return write(fs, s[1], 4096+frame+10, make([]byte, 2*frame)) },
		"a header":     func(fs *disk.Sim, s []string) error { return fs.Flip(s[1], 8*17) },
		"first header": func(fs *disk.Sim, s []string) error { return fs.Flip(s[0], 8*17) },
		"a segment":    func(fs *disk.Sim, s []string) error { return errors.Join(fs.Remove(s[1]), fs.SyncDir("log")) },
		"many": func(fs *disk.Sim, s []string) error {
			return errors.Join(fs.Flip(s[0], 8*(4096+9*frame+100)), fs.Flip(s[1], 8*17), fs.Flip(s[2], 8*(4096+100)), fs.Flip(s[2], 8*(4096+5*frame+100)))
		},
		"the end": func(fs *disk.Sim, s []string) error { return fs.Flip(s[3], 8*17) },
		"torn":    func(fs *disk.Sim, s []string) error { return fs.Flip(s[3], 8*(4096+15*frame+20)) },
	} {
		t.Run(name, func(t *testing.T) {
			fs, recs, segs := plain(t)
			must(t, do(fs, segs))
			want, survey := salvaged(t, fs)
			before := content(t, fs)
			salt := uint64(1)
			l := salvaging(t, config(fs, &salt))
			if !slices.Equal(l.Damaged(), survey.Damaged) || l.Last() != survey.Last {
				t.Errorf("damaged %+v, last %d; the survey says %+v, %d", l.Damaged(), l.Last(), survey.Damaged, survey.Last)
			}
			got := readAround(t, l)
			if len(got) != len(want) {
				t.Errorf("%d records, %d can be read", len(got), len(want))
			}
			for i, p := range got {
				if want[i] != string(p) {
					t.Errorf("record %d is another", i)
				}
				sum, err := l.ChainAt(i)
				var corrupt *eventlog.CorruptError
				switch {
				case err == nil && sum != (state{recs: recs[:i]}).sum():
					t.Errorf("record %d: the chain value is another", i)
				case err != nil && (!errors.As(err, &corrupt) || name == "sound"):
					t.Errorf("record %d: %v", i, err)
				}
			}
			refused := make(chan error, 3)
			l.AppendAsync([]eventlog.Record{{Index: l.Last() + 1}}, func(err error) { refused <- err })
			l.TruncateAfterAsync(1, func(err error) { refused <- err })
			l.TruncateBeforeAsync(2, func(err error) { refused <- err })
			for range 3 {
				if err := <-refused; !errors.Is(err, eventlog.ErrReadOnly) {
					t.Errorf("not refused: %v", err)
				}
			}
			must(t, l.Tend())
			must(t, l.Close())
			if !bytes.Equal(content(t, fs), before) {
				t.Error("something was written")
			}
		})
	}
}

// TestSalvageOfAnyDamage turns bits of logs that were truncated, encrypted and compacted:
// what is served is what was written last under its index, wherever a record is served
// although a truncation before it is lost, it is one that was written. A log that does not
// open otherwise is damaged in the eyes of the survey, too; in every third another bit is turned.
func TestSalvageOfAnyDamage(t *testing.T) {
	opened, served, missing, refused, step := 0, 0, 0, 0, int64(809)
	if long {
		step = 31
	}
	for seed := range uint64(6) {
		fs, r := sound(t, 30+seed)
		for _, name := range named(fs, ".seg") {
			for off := int64(0); off < fileSize(t, fs, name); off += step {
				if off == 4 || off == 7 {
					continue
				}
				after := fs.Crash(0)
				must(t, after.Flip(name, 8*off+off%8))
				if opened%3 == 0 {
					second := named(fs, ".seg")[opened/3%len(named(fs, ".seg"))]
					must(t, after.Flip(second, int64(opened)*7919%(8*fileSize(t, fs, second))))
				}
				salt := uint64(1)
				ordinary, refusal := eventlog.Open(r.config(after.Crash(0), &salt))
				if refusal == nil {
					must(t, ordinary.Close())
				} else {
					refused++
				}
				cfg := r.config(after, &salt)
				cfg.Salvage = true
				l, err := eventlog.Open(cfg)
				must(t, err)
				opened++
				holes, lost := len(l.Damaged()) > 0, 0 // of a range that a truncation took back nothing is lost
				if refusal != nil && !holes {
					t.Fatalf("seed %d, %s, byte %d: nothing is damaged, and it does not open: %v", seed, name, off, refusal)
				}
				for i := l.First(); i <= l.Last(); i++ {
					recs, err := l.Read(i, 1)
					var corrupt *eventlog.CorruptError
					if errors.As(err, &corrupt) && holes {
						missing, lost = missing+1, lost+1
						continue
					}
					must(t, err)
					served++
					if int(i) > len(r.now.recs) || !bytes.Equal(recs[0].Payload, r.now.recs[i-1].Payload) {
						if !holes {
							t.Fatalf("seed %d, %s, byte %d: record %d is another, and nothing is damaged", seed, name, off, i)
						}
					}
					if sum, err := l.ChainAt(i); err != nil && !errors.As(err, &corrupt) || err == nil && !holes && sum != (state{recs: r.now.recs[:i]}).sum() {
						t.Fatalf("seed %d, %s, byte %d: chain at %d: %v", seed, name, off, i, err)
					}
				}
				if _, err := l.Scrub(context.Background(), 0); (err != nil) != (lost > 0) {
					t.Fatalf("seed %d, %s, byte %d: scrub: %v, damaged %+v", seed, name, off, err, l.Damaged())
				}
				must(t, l.Close())
			}
		}
	}
	t.Logf("%d opened, %d refused otherwise, %d records served, %d missing", opened, refused, served, missing)
	if missing == 0 || served == 0 || refused == 0 {
		t.Error("a case was never met")
	}
}

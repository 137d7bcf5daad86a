package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// reads counts the reads of files whose names end in suffix.
func reads(fs *disk.Sim, suffix string) *map[string]int {
	n := map[string]int{}
	fs.Hook(func(op disk.Op, name string) error {
		if op == disk.OpRead && strings.HasSuffix(name, suffix) {
			n[name]++
		}
		return nil
	})
	return &n
}

func named(fs *disk.Sim, suffix string) []string {
	return slices.DeleteFunc(fs.Files(), func(n string) bool { return !strings.HasSuffix(n, suffix) })
}

// tended returns a closed log of n records in several segments with index files.
func tended(t *testing.T, keys eventlog.KeyProvider, n int) (*disk.Sim, func() eventlog.Config) {
	t.Helper()
	fs, salt := disk.NewSim(3), uint64(1)
	cfg := func() eventlog.Config { return sealedConfig(fs, &salt, keys) }
	fill(t, cfg(), n)
	l, err := eventlog.Open(cfg())
	must(t, err)
	must(t, l.Tend())
	must(t, l.Close())
	if segs, idx := named(fs, ".seg"), named(fs, ".idx"); len(idx) < 3 || len(idx) != len(segs) {
		t.Fatalf("%d segments, %d index files", len(segs), len(idx))
	}
	return fs, cfg
}

// TestIndexFiles: of a sealed segment Open reads the header and the index file alone, and
// holds the same log as without; sealed segments have no reserve.
func TestIndexFiles(t *testing.T) {
	for name, keys := range map[string]eventlog.KeyProvider{"clear": nil, "encrypted": fixed(1, 1)} {
		fs, cfg := tended(t, keys, 60)
		if keys != nil && bytes.Contains(content(t, fs), []byte("secret")) {
			t.Error("a payload can be read")
		}
		segs := named(fs, ".seg")
		n := reads(fs, ".seg")
		l, err := eventlog.Open(cfg())
		must(t, err)
		for i, seg := range segs {
			most := 1
			if i == len(segs)-1 {
				most = 3 // its last frame twice: read, and written again
			}
			if (*n)[seg] != most {
				t.Errorf("%s: %s was read %d times", name, seg, (*n)[seg])
			}
		}
		for _, at := range []int64{1, 17, 30, 60} {
			clear(*n)
			if i, err := l.SeekTime(at); err != nil || i != uint64(at) {
				t.Errorf("%s: time %d at %d, %v", name, at, i, err)
			}
			recs, err := l.Read(uint64(at), 1)
			if err != nil || len(recs) != 1 || !bytes.Equal(recs[0].Payload, secret(uint64(at))) {
				t.Errorf("%s: record %d: %v", name, at, err)
			}
			if total := len(*n); total > 2 {
				t.Errorf("%s: %d segments were read for one record", name, total)
			}
		}
		must(t, l.Close())
		n = reads(fs, ".seg")
		all := cfg()
		all.CheckAll = true
		if l, err = eventlog.Open(all); err != nil || (*n)[segs[0]] < 2 {
			t.Errorf("%s: CheckAll read %s %d times, %v", name, segs[0], (*n)[segs[0]], err)
		}
		must(t, l.Close())
		rep, err := eventlog.Verify(cfg(), nil)
		if err != nil || rep.Indexes != len(segs) || len(rep.Stale) > 0 {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
		for _, seg := range segs {
			if fileSize(t, fs, seg) == 12<<10 {
				t.Errorf("%s: %s still has its reserve", name, seg)
			}
		}
	}
}

// TestIndexFileIsOnlyBelievedWhenItFits damages, exchanges and removes index files: the log
// opens and is the same, Verify names what cannot be used, and Tend makes it anew.
func TestIndexFileIsOnlyBelievedWhenItFits(t *testing.T) {
	for way, keys := range []eventlog.KeyProvider{nil, fixed(1, 1)} {
		fs, cfg := tended(t, keys, 60)
		idx := named(fs, ".idx")
		whole, err := disk.ReadFile(fs, idx[1])
		must(t, err)
		other, err := disk.ReadFile(fs, idx[0])
		must(t, err)
		contents := [][]byte{nil, {}, other, whole[:len(whole)-1], append(bytes.Clone(whole), 0)}
		step := 1
		if !long {
			step = 3
		}
		for i := 0; i < len(whole); i += step {
			bad := bytes.Clone(whole)
			bad[i] ^= 1 << (i % 8)
			contents = append(contents, bad)
		}
		for k, b := range contents {
			if err := fs.Remove(idx[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if b != nil {
				must(t, disk.WriteFileAtomic(fs, idx[1], b))
				if rep, err := eventlog.Verify(cfg(), nil); err != nil || !slices.Equal(rep.Stale, idx[1:2]) {
					t.Fatalf("way %d, content %d: %+v, %v", way, k, rep, err)
				}
			}
			holds(t, cfg(), 60)
			l, err := eventlog.Open(cfg())
			must(t, err)
			must(t, l.Tend())
			must(t, l.Close())
			if rep, err := eventlog.Verify(cfg(), nil); err != nil || rep.Indexes != len(idx) {
				t.Fatalf("way %d, content %d, made anew: %+v, %v", way, k, rep, err)
			}
			fs.Hook(nil)
		}
	}
}

// TestIndexFileOfAnotherState: an index file from before a segment was cut by a repair
// has the right salt and a checksum that fits, and is not believed all the same.
func TestIndexFileOfAnotherState(t *testing.T) {
	fs, cfg := tended(t, nil, 60)
	segs, idx := named(fs, ".seg"), named(fs, ".idx")
	old, err := disk.ReadFile(fs, idx[1])
	must(t, err)
	must(t, fs.Flip(segs[1], 8*(4096+2*600)))
	p, err := eventlog.PlanRepair(cfg())
	must(t, err)
	must(t, eventlog.Repair(cfg(), p))
	if left := named(fs, ".idx"); !slices.Equal(left, idx[:1]) {
		t.Errorf("the repair left %v", left)
	}
	l, err := eventlog.Open(cfg())
	must(t, err)
	extend(t, l, 400, 1, 5)
	must(t, l.Close())
	must(t, disk.WriteFileAtomic(fs, idx[1], old))
	l, err = eventlog.Open(cfg())
	must(t, err)
	n := p.Keep
	must(t, l.Replay(n+1, func(r eventlog.Record) error {
		if n++; r.Index != n || r.Kind != 16+5 {
			t.Errorf("record %d is another", n)
		}
		return nil
	}))
	if n != 400 || l.Last() != 400 {
		t.Errorf("%d records of 400", n)
	}
	must(t, l.Close())
	if rep, err := eventlog.Verify(cfg(), nil); err != nil || len(rep.Stale) != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestRotIsFound: damage in a sealed segment is not seen by Open, which believes the index
// file; it is found by whoever reads the record, by Scrub, by Verify, and by Open with
// CheckAll.
func TestRotIsFound(t *testing.T) {
	for way, keys := range []eventlog.KeyProvider{nil, fixed(1, 1)} {
		fs, cfg := tended(t, keys, 60)
		seg := named(fs, ".seg")[1]
		for off := int64(4096); off < fileSize(t, fs, seg)-40; off += 97 { // the last may be a mark
			must(t, fs.Flip(seg, 8*off))
			isCorrupt := func(what string, err error) {
				t.Helper()
				var corrupt *eventlog.CorruptError
				if !errors.As(err, &corrupt) || corrupt.Segment != seg || corrupt.Offset > off || corrupt.Index == 0 {
					t.Errorf("way %d, byte %d, %s: %v", way, off, what, err)
				}
			}
			l, err := eventlog.Open(cfg())
			must(t, err)
			isCorrupt("Replay", l.Replay(1, func(eventlog.Record) error { return nil }))
			_, err = l.Scrub(context.Background(), 0)
			isCorrupt("Scrub", err)
			must(t, l.Close())
			_, err = eventlog.Verify(cfg(), nil)
			isCorrupt("Verify", err)
			all := cfg()
			all.CheckAll = true
			_, err = eventlog.Open(all)
			isCorrupt("CheckAll", err)
			must(t, fs.Flip(seg, 8*off))
		}
		holds(t, cfg(), 60)
	}
}

// TestScrub reads everything once, at the pace it is given, and ends with its context.
func TestScrub(t *testing.T) {
	fs, cfg := tended(t, nil, 60)
	l, err := eventlog.Open(cfg())
	must(t, err)
	begun := time.Now()
	n, err := l.Scrub(context.Background(), 1<<20)
	if atLeast := time.Duration(n) * time.Second / (1 << 20); err != nil || n < 60*400 || n > 60*700 || time.Since(begun) < atLeast {
		t.Errorf("%d bytes in %v, %v", n, time.Since(begun), err)
	}
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	if _, err := l.Scrub(ended, 1); err == nil || err.Error() != "enough" {
		t.Errorf("%v", err)
	}
	slow, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	if n, err := l.Scrub(slow, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d bytes, %v", n, err)
	}
	must(t, l.Close())
	if _, err := l.Scrub(context.Background(), 0); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	_ = fs
}

// TestIndexFilesGoWithTheirSegments, and those that a crash left behind are removed.
func TestIndexFilesGoWithTheirSegments(t *testing.T) {
	fs, cfg := tended(t, nil, 60)
	l, err := eventlog.Open(cfg())
	must(t, err)
	l.TruncateBeforeAsync(50, func(err error) { must(t, err) })
	w, _ := l.Begin()
	l.End(w, w.Do())
	must(t, l.Close())
	for _, name := range named(fs, ".idx") {
		if !slices.Contains(fs.Files(), strings.TrimSuffix(name, ".idx")+".seg") {
			t.Errorf("%s is left behind", name)
		}
	}
	orphan := fmt.Sprintf("log/%020d.idx", 1)
	must(t, disk.WriteFileAtomic(fs, orphan, []byte("x")))
	must(t, disk.WriteFileAtomic(fs, orphan+".tmp", []byte("x")))
	l, err = eventlog.Open(cfg())
	must(t, err)
	must(t, l.Close())
	if files := fs.Files(); slices.Contains(files, orphan) || slices.Contains(files, orphan+".tmp") {
		t.Errorf("%v", files)
	}
}

// TestIndexOfTheLastSegment: a log that was closed is opened from its last mark on, also
// when frames came behind that since; where the mark is not the one that the index file
// ends with, all of the segment is read.
func TestIndexOfTheLastSegment(t *testing.T) {
	fs, cfg := tended(t, nil, 52) // the last segment has room for some
	segs := named(fs, ".seg")
	last := segs[len(segs)-1]
	size := fileSize(t, fs, last)
	l, err := eventlog.Open(cfg())
	must(t, err)
	for i := range uint64(2) {
		l.AppendAsync([]eventlog.Record{{Index: 53 + i, Term: 1, Time: int64(53 + i), Payload: secret(53 + i)}}, func(err error) { must(t, err) })
		drain(l)
	}
	after := fs.Crash(1)
	must(t, l.Close())
	salt := uint64(9)
	again := config(after, &salt)
	n := reads(after, last)
	l, err = eventlog.Open(again)
	must(t, err)
	if whole := (*n)[last]; whole > 4 {
		t.Errorf("the last segment was read %d times", whole)
	}
	must(t, l.Close())
	holds(t, again, 54)
	if rep, err := eventlog.Verify(again, nil); err != nil || len(rep.Stale) > 0 {
		t.Errorf("%+v, %v", rep, err)
	}

	rotten := fs.Crash(1)
	must(t, rotten.Flip(last, 8*(4096+100)))
	cfg2 := config(rotten, &salt)
	if l, err = eventlog.Open(cfg2); err != nil {
		t.Fatal(err)
	}
	var corrupt *eventlog.CorruptError
	if err := l.Replay(1, func(eventlog.Record) error { return nil }); !errors.As(err, &corrupt) || corrupt.Segment != last {
		t.Errorf("rot behind an index file: %v", err)
	}
	must(t, l.Close())
	// without the mark that the index file ends with the segment is read, and the rot found
	rotten = fs.Crash(1)
	must(t, rotten.Flip(last, 8*(4096+100)))
	must(t, rotten.Flip(last, 8*(size-80+20)))
	if _, err = eventlog.Open(config(rotten, &salt)); !errors.As(err, &corrupt) || corrupt.Segment != last {
		t.Errorf("rot and no mark: %v", err)
	}
}

package eventlog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// sound returns a closed log of about 64 KiB and what it holds.
func sound(t *testing.T, seed uint64) (*disk.Sim, *rig) {
	t.Helper()
	fs := disk.NewSim(seed)
	r := newRig(fs, seed)
	if err := r.run(36); err != nil {
		t.Fatal(err)
	}
	return fs, r
}

func fileSize(t *testing.T, fs eventlog.FS, name string) int64 {
	t.Helper()
	b, err := disk.ReadFile(fs, name)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(b))
}

// TestFlip turns a bit in every byte of a log in turn. It is found, and named by file and
// a place at or before the byte; or it is cut where nothing but the final mark or the
// reserve can have been hit, and then no record is missing.
func TestFlip(t *testing.T) {
	for way := range ways {
		t.Run(wayNames[way], func(t *testing.T) { flip(t, uint64(3+way)) })
	}
}

func flip(t *testing.T, seed uint64) {
	fs, r := sound(t, seed)
	bytes, refused, cut := 0, 0, 0
	for _, name := range fs.Files() {
		if !strings.HasSuffix(name, ".seg") {
			continue
		}
		for i := range fileSize(t, fs, name) {
			if !long && i%11 != 0 && i > 260 {
				continue
			}
			bytes++
			after := fs.Crash(0)
			if err := after.Flip(name, 8*i+i%8); err != nil {
				t.Fatal(err)
			}
			salt := uint64(1)
			cfg := r.config(after, &salt)
			cfg.CheckAll = true
			l, err := eventlog.Open(cfg)
			var corrupt *eventlog.CorruptError
			if errors.As(err, &corrupt) {
				refused++
				if corrupt.Segment != name || corrupt.Offset > i || corrupt.Index == 0 || corrupt.Reason == "" || !strings.Contains(err.Error(), "eventlog.Verify") {
					t.Fatalf("%s, byte %d: %v", name, i, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s, byte %d: %v", name, i, err)
			}
			rec := l.Recovery()
			if rec.CutBytes == 0 || rec.CutFile != name {
				t.Fatalf("%s, byte %d: not noticed", name, i)
			}
			cut++
			if problem := r.now.differs(l, 0); problem != "" {
				t.Fatalf("%s, byte %d: %s", name, i, problem)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d bytes turned: %d refused with a place, %d cut from behind the last record; LITHAIR_LONG=%v (every eleventh byte without)", bytes, refused, cut, long)
	if refused == 0 || cut == 0 {
		t.Error("a case was never met")
	}
}

// TestTornOrCorrupt holds the rule at its edge: the same damage to the last batch is a
// torn tail while nothing stands behind it, and corruption once a mark or a batch does.
func TestTornOrCorrupt(t *testing.T) {
	for _, behind := range []string{"nothing", "mark", "batch", "truncation"} {
		fs, salt := disk.NewSim(1), uint64(1)
		l, err := eventlog.Open(config(fs, &salt))
		if err != nil {
			t.Fatal(err)
		}
		do := func() {
			for w, ok := l.Begin(); ok; w, ok = l.Begin() {
				l.End(w, w.Do())
			}
		}
		add := func(i uint64) {
			l.AppendAsync([]eventlog.Record{{Index: i, Payload: []byte("payload")}}, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
			do()
		}
		add(1)
		add(2) // 48 + 33 + 7 + 32 bytes, at 4096 + 120
		switch behind {
		case "mark":
			if w, ok := l.BeginMark(); ok {
				l.End(w, w.Do())
			}
		case "batch":
			add(3)
		case "truncation":
			l.TruncateAfterAsync(1, func(error) {})
			do()
		}
		after := fs.Kill()
		if err := after.Flip("log/00000000000000000001.seg", 8*(4096+120+48+33+2)); err != nil {
			t.Fatal(err)
		}
		l, err = eventlog.Open(config(after, &salt))
		if behind == "nothing" {
			if err != nil || l.Last() != 1 || l.Recovery().CutAt != 4096+120 {
				t.Errorf("nothing behind: %v", err)
			}
			continue
		}
		var corrupt *eventlog.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Offset != 4096+120 || corrupt.Index != 2 || !strings.Contains(corrupt.Reason, "later frame") {
			t.Errorf("%s behind: %v", behind, err)
		}
	}
}

// TestForeign refuses files that are whole but not of this log, and says why.
func TestForeign(t *testing.T) {
	cases := []struct {
		name string
		do   func(fs *disk.Sim, segs []string) error
		want string
	}{
		{"segment missing", func(fs *disk.Sim, s []string) error { return fs.Remove(s[1]) }, "missing or foreign"},
		{"name of another", func(fs *disk.Sim, s []string) error {
			return fs.Rename(s[len(s)-1], "log/00000000000000009999.seg")
		}, "another name"},
		{"odd name", func(fs *disk.Sim, s []string) error { return fs.Rename(s[0], "log/7.seg") }, "20 digits"},
		{"empty file", func(fs *disk.Sim, s []string) error {
			f, err := fs.Open(s[0], disk.ReadWrite)
			if err != nil {
				return err
			}
			return f.Truncate(0)
		}, "shorter than its header"},
		{"version", func(fs *disk.Sim, s []string) error {
			f, err := fs.Open(s[0], disk.ReadWrite)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte{200}, 7)
			return err
		}, "version"},
		{"block of another place", func(fs *disk.Sim, s []string) error { // a misdirected write
			f, err := fs.Open(s[0], disk.ReadWrite)
			if err != nil {
				return err
			}
			b := make([]byte, 120)
			if _, err = f.ReadAt(b, 4096); err != nil {
				return err
			}
			_, err = f.WriteAt(b, 4096+512)
			return err
		}, "damaged"},
	}
	for _, c := range cases {
		fs, r := sound(t, 9)
		var segs []string
		for _, n := range fs.Files() {
			if strings.HasSuffix(n, ".seg") {
				segs = append(segs, n)
			}
		}
		if len(segs) < 3 {
			t.Fatal("too few segments")
		}
		if err := c.do(fs, segs); err != nil {
			t.Fatal(err)
		}
		salt := uint64(1)
		cfg := config(fs, &salt)
		cfg.CheckAll = true
		if _, err := eventlog.Open(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := eventlog.Verify(eventlog.Config{FS: fs, Dir: "log"}, nil); err == nil {
			t.Errorf("%s: Verify is content", c.name)
		}
		if r.now.base == 0 && len(r.now.recs) == 0 {
			t.Fatal("an empty log proves nothing")
		}
	}
}

// TestVerify is content with a sound log, reports its facts and its progress.
func TestVerify(t *testing.T) {
	for way := range ways {
		t.Run(wayNames[way], func(t *testing.T) { verify(t, uint64(3+way)) })
	}
}

func verify(t *testing.T, seed uint64) {
	fs, r := sound(t, seed)
	var last, total int64
	rep, err := eventlog.Verify(r.config(fs, nil), func(d, n int64) { last, total = d, n })
	if err != nil || rep.Last != uint64(len(r.now.recs)) || rep.Chain != r.now.sum() || rep.Records != rep.Last-rep.First+1 {
		t.Errorf("%+v, %v", rep, err)
	}
	if last == 0 || last > total {
		t.Errorf("progress %d of %d", last, total)
	}
	if _, err := eventlog.Verify(eventlog.Config{FS: fs, Dir: "nowhere"}, nil); err == nil {
		t.Error("a directory that is not there is sound")
	}
}

// TestFull fills the disk, and makes room again.
func TestFull(t *testing.T) {
	for capacity := int64(14 << 10); capacity < 40<<10; capacity += 1111 {
		fs := disk.NewSim(uint64(capacity))
		fs.SetCapacity(capacity)
		r := newRig(fs, uint64(capacity))
		err := r.run(200)
		if !errors.Is(err, eventlog.ErrFull) {
			t.Fatalf("capacity %d: %v", capacity, err)
		}
		r.flight = nil
		if !r.closed {
			if problem := r.now.differs(r.log, 0); problem != "" {
				t.Fatalf("capacity %d: %s", capacity, problem)
			}
			fs.SetCapacity(0)
			if err := r.run(10); err != nil {
				t.Fatalf("capacity %d, with room again: %v", capacity, err)
			}
		}
		after := fs.Crash(uint64(capacity))
		l, s, err := r.check(after)
		if err == nil {
			err = r.goesOn(after, l, s)
		}
		if err != nil {
			t.Fatal(fmt.Errorf("capacity %d: %w", capacity, err))
		}
	}
}

// TestOpenOnFullDisk opens a log that has a torn tail on a disk without room: recovery
// frees, it does not need.
func TestOpenOnFullDisk(t *testing.T) {
	fs, salt := disk.NewSim(9), uint64(1)
	l, err := eventlog.Open(config(fs, &salt))
	if err != nil {
		t.Fatal(err)
	}
	fs.Hook(func(op disk.Op, _ string) error {
		if op == disk.OpWrite {
			return &disk.PartError{N: 50, Err: disk.ErrPower}
		}
		return nil
	})
	l.AppendAsync([]eventlog.Record{{Index: 1, Payload: make([]byte, 100)}}, func(error) {})
	w, _ := l.Begin()
	l.End(w, w.Do())
	after := fs.Kill()
	after.SetCapacity(1)
	if l, err = eventlog.Open(config(after, &salt)); err != nil {
		t.Fatal(err)
	}
	if l.Recovery().CutBytes == 0 || l.Last() != 0 {
		t.Errorf("%+v", l.Recovery())
	}
}

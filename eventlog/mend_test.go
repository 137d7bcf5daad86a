package eventlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// holes damages a closed log somewhere.
func holes(t *testing.T, fs *disk.Sim, rng *rand.Rand) {
	t.Helper()
	segs := named(fs, ".seg")
	for range 1 + rng.IntN(3) {
		name := segs[rng.IntN(len(segs))]
		size := fileSize(t, fs, name)
		switch rng.IntN(6) {
		case 0:
			off := rng.Int64N(size)
			must(t, write(fs, name, off, make([]byte, min(700, size-off))))
		case 1:
			must(t, fs.Flip(name, 8*40+rng.Int64N(64)))
		case 2:
			if len(segs) > 2 && name != segs[0] && name != segs[len(segs)-1] { // without the first, the log only begins later
				if err := fs.Remove(name); err == nil {
					must(t, fs.SyncDir("log"))
				}
				return
			}
		default:
			must(t, fs.Flip(name, 8*4096+rng.Int64N(8*(size-4096))))
		}
	}
}

// mended is what became of a log that was mended.
type mended struct {
	filled, refused int
	rest            bool
	lastHeld        uint64
}

// mend fills what is damaged from records; every third portion is wrong at first.
func mend(cfg eventlog.Config, recs []eventlog.Record, held eventlog.Position, liar *rand.Rand) (got mended, err error) {
	cfg.Salvage = true
	l, err := eventlog.Open(cfg)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	m, err := l.Mend(held)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	tries := 0
	for {
		first, last, ok, err := m.Want()
		if err != nil {
			return got, err
		}
		if !ok {
			break
		}
		if tries++; tries > 2000 {
			return got, errors.New("it never ends")
		}
		if last > uint64(len(recs)) {
			if err := m.GiveUp(); err != nil {
				return got, err
			}
			continue
		}
		some := recs[first-1 : min(last, first+2)]
		if liar != nil && liar.IntN(3) == 0 {
			lie := append([]eventlog.Record(nil), some...)
			k := liar.IntN(len(lie))
			switch liar.IntN(4) {
			case 0:
				lie[k].Payload = append(bytes.Clone(lie[k].Payload), 1)
				lie[k].Redacted = false
			case 1:
				lie[k].Term++
			case 2:
				lie[k].Time++
			case 3:
				lie[k].Kind++
			}
			some = lie
		}
		err = m.Give(some)
		switch {
		case errors.Is(err, eventlog.ErrNotThese):
			if got.refused++; got.refused > 60 { // a truncation is lost: what leads into the range is of the past
				if err := m.GiveUp(); err != nil {
					return got, err
				}
			}
		case err != nil:
			return got, err
		}
	}
	got.filled = int(m.Mended())
	_, got.rest = m.Rest()
	return got, nil
}

// TestMend damages logs that were truncated, encrypted, compressed, compacted and redacted, and
// mends them with the records of a sound one: what can be told is what it was, byte for byte, and what
// cannot be told is left damaged, and says so.
func TestMend(t *testing.T) {
	runs := 200
	if long {
		runs = 8000
	}
	whole, rest, filled, refused, covered, torn := 0, 0, 0, 0, 0, 0
	for seed := range uint64(runs) {
		fs, r := sound(t, 3000+seed%40)
		rng := rand.New(rand.NewPCG(seed, 5))
		salt := uint64(1)
		l, err := eventlog.Open(r.config(fs, &salt))
		must(t, err)
		base := l.First() - 1
		must(t, l.Close())
		fs = fs.Crash(0)
		holes(t, fs, rng)
		at := base
		if n := uint64(len(r.now.recs)); rng.IntN(2) == 0 && n > base {
			at += rng.Uint64N(n - base)
		}
		held := eventlog.Position{Index: at, Chain: (state{recs: r.now.recs[:at]}).sum()}
		var liar *rand.Rand
		if rng.IntN(2) == 0 {
			liar = rng
		}
		got, err := mend(r.config(fs, &salt), r.now.recs, held, liar)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		filled, refused = filled+got.filled, refused+got.refused
		cfg := r.config(fs, &salt)
		cfg.CheckAll = true
		l, err = eventlog.Open(cfg)
		var corrupt *eventlog.CorruptError
		if got.rest {
			rest++
			if err == nil {
				err = l.Close()
			}
			if err != nil && !errors.As(err, &corrupt) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: mended, %d records, and it does not open: %v", seed, got.filled, err)
		}
		if l.Recovery().CutBytes > 0 { // its end was damaged, marks and all, which looks like a torn tail
			torn++
			if n := l.Last(); n < uint64(len(r.now.recs)) {
				_, sum := l.Chain()
				if sum != (state{recs: r.now.recs[:n]}).sum() {
					t.Fatalf("seed %d: what is left is no beginning", seed)
				}
				must(t, l.Close())
				continue
			}
		}
		whole++
		want := r.now
		if l.First()-1 > base {
			covered++
		}
		want.base = max(want.base, at)
		if problem := want.differs(l, 0); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
		if err := r.goesOn(fs, l, want); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d logs: %d whole again, %d cannot be told; %d records filled in, %d portions refused, %d begin later, %d look torn", runs, whole, rest, filled, refused, covered, torn)
	if whole < runs/4 || filled == 0 || refused == 0 || covered == 0 {
		t.Error("a case was hardly met")
	}
}

// TestMendCrash loses power before every call that changes the disk while a log is mended: it is mended by the
// next try, or was.
func TestMendCrash(t *testing.T) {
	seeds, points := 5, 0
	if long {
		seeds = 120
	}
	for seed := range uint64(seeds) {
		sane, r := sound(t, 3000+seed)
		rng := rand.New(rand.NewPCG(seed, 6))
		salt := uint64(1)
		l, err := eventlog.Open(r.config(sane, &salt))
		must(t, err)
		base := l.First() - 1
		must(t, l.Close())
		broken := sane.Crash(0)
		holes(t, broken, rng)
		held := eventlog.Position{Index: base, Chain: (state{recs: r.now.recs[:base]}).sum()}
		for n := 1; ; n++ {
			fs, count := broken.Crash(uint64(n)), 0
			fs.Hook(at(n, &count, changes, disk.ErrPower))
			got, err := mend(r.config(fs, &salt), r.now.recs, held, nil)
			if err == nil {
				break
			}
			if !errors.Is(err, disk.ErrPower) {
				t.Fatalf("seed %d, call %d: %v", seed, n, err)
			}
			points++
			for k := range uint64(4) {
				after := fs.Crash(k)
				where := fmt.Sprintf("seed %d, call %d, pattern %d", seed, n, k)
				got, err = mend(r.config(after, &salt), r.now.recs, held, nil)
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				if got.rest {
					continue
				}
				cfg := r.config(after, &salt)
				cfg.CheckAll = true
				l, err := eventlog.Open(cfg)
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				want := r.now
				want.base = max(want.base, base)
				if problem := want.differs(l, 0); problem != "" {
					t.Fatalf("%s: %s", where, problem)
				}
				must(t, l.Close())
			}
		}
	}
	t.Logf("%d crash points", points)
	if points < 50 {
		t.Error("too few")
	}
}

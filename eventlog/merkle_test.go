package eventlog_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// many returns a closed log of n small records, in batches of a size, with index files.
func many(t *testing.T, n, batch, segment int, keys eventlog.KeyProvider) (*disk.Sim, func() eventlog.Config) {
	t.Helper()
	fs, salt := disk.NewSim(1), uint64(7)
	cfg := func() eventlog.Config {
		c := sealedConfig(fs, &salt, keys)
		c.SegmentBytes = int64(segment)
		return c
	}
	l, err := eventlog.Open(cfg())
	must(t, err)
	extend(t, l, n, batch, 0)
	must(t, l.Tend())
	must(t, l.Close())
	return fs, cfg
}

// extend appends small records until the log has n of them.
func extend(t *testing.T, l *eventlog.Log, n, batch int, seed byte) {
	t.Helper()
	for l.Last() < uint64(n) {
		var recs []eventlog.Record
		for i := l.Last() + 1; i <= uint64(n) && len(recs) < batch; i++ {
			recs = append(recs, small(i, seed))
		}
		l.AppendAsync(recs, func(err error) { must(t, err) })
		drain(l)
	}
}

func drain(l *eventlog.Log) {
	for w, ok := l.Begin(); ok; w, ok = l.Begin() {
		l.End(w, w.Do())
	}
}

func small(i uint64, seed byte) eventlog.Record {
	return eventlog.Record{Index: i, Term: i / 1000, Time: int64(i), Kind: 16 + seed, Payload: []byte{byte(i), byte(i >> 8), seed}}
}

// tree is the root by its definition, RFC 9162 §2.1.1, written a second time.
func tree(recs []eventlog.Record) [32]byte {
	if len(recs) == 1 {
		r, p := recs[0], sha256.Sum256(recs[0].Payload)
		b := binary.LittleEndian.AppendUint64([]byte{0}, r.Index)
		b = binary.LittleEndian.AppendUint64(b, r.Term)
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Time))
		return sha256.Sum256(append(append(b, r.Kind), p[:]...))
	}
	l, r := tree(recs[:len(recs)/2]), tree(recs[len(recs)/2:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

func rangeOf(n uint64, seed byte) (recs []eventlog.Record) {
	for i := n*eventlog.RangeSize + 1; i <= (n+1)*eventlog.RangeSize; i++ {
		recs = append(recs, small(i, seed))
	}
	return recs
}

// TestRoots: the root of a range is that of its records, whatever the batches, segments
// and keys; it stands in the index file once the segment is sealed.
func TestRoots(t *testing.T) {
	want := []eventlog.Sum{tree(rangeOf(0, 0)), tree(rangeOf(1, 0))}
	for _, c := range []struct {
		batch, segment int
		keys           eventlog.KeyProvider
	}{{100, 1 << 20, nil}, {1000, 64 << 10, nil}, {333, 48 << 10, turning()}} {
		fs, cfg := many(t, 2*eventlog.RangeSize+2500, c.batch, c.segment, c.keys)
		n := reads(fs, ".seg")
		l, err := eventlog.Open(cfg())
		must(t, err)
		clear(*n)
		for i := range want {
			if got, err := l.Root(uint64(i)); err != nil || got != want[i] {
				t.Errorf("%+v: root %d: %x, %v", c, i, got, err)
			}
		}
		if stored := len(*n) == 0; stored != (c.segment < 1<<20) {
			t.Errorf("%+v: the records were read for the root: %v", c, !stored)
		}
		if _, err := l.Root(2); !errors.Is(err, eventlog.ErrIncomplete) {
			t.Errorf("an incomplete range: %v", err)
		}
		must(t, l.Close())
		rep, err := eventlog.Verify(cfg(), nil)
		if err != nil || c.segment < 1<<20 && rep.Roots != 2 {
			t.Errorf("%+v: %+v, %v", c, rep, err)
		}
	}
}

// TestProofs proves records and refuses everything that differs.
func TestProofs(t *testing.T) {
	_, cfg := many(t, 2*eventlog.RangeSize+10, 500, 64<<10, nil)
	l, err := eventlog.Open(cfg())
	must(t, err)
	defer l.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, i := range []uint64{1, 2, eventlog.RangeSize, eventlog.RangeSize + 1, 2 * eventlog.RangeSize, 1 + rng.Uint64N(2*eventlog.RangeSize)} {
		sent, root, err := l.Proof(i)
		must(t, err)
		p, err := eventlog.ParseProof(sent.Append(nil))
		if err != nil || p != sent {
			t.Fatalf("on its way: %v", err)
		}
		if stored, err := l.Root(eventlog.RangeOf(i)); err != nil || stored != root {
			t.Errorf("record %d: the root is another: %v", i, err)
		}
		r := small(i, 0)
		if err := eventlog.VerifyProof(root, r, p); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		no := func(what string, root eventlog.Sum, r eventlog.Record, p eventlog.Proof) {
			t.Helper()
			if err := eventlog.VerifyProof(root, r, p); !errors.Is(err, eventlog.ErrProof) {
				t.Errorf("record %d: %s: %v", i, what, err)
			}
		}
		for what, change := range map[string]func(*eventlog.Record){
			"payload": func(r *eventlog.Record) { r.Payload = []byte("x") }, "time": func(r *eventlog.Record) { r.Time++ },
			"term": func(r *eventlog.Record) { r.Term++ }, "kind": func(r *eventlog.Record) { r.Kind++ }, "index": func(r *eventlog.Record) { r.Index++ },
		} {
			other := r
			change(&other)
			no(what, root, other, p)
		}
		other := r
		other.Index = 0
		no("index 0", root, other, eventlog.Proof{Path: p.Path})
		for k := range p.Path {
			bad := p
			bad.Path[k][k]++
			no(fmt.Sprintf("step %d", k), root, r, bad)
		}
		moved := p
		moved.Index = i ^ 1
		no("index of the proof", root, r, moved)
		wrong := root
		wrong[31]++
		no("root", wrong, r, p)
	}
	for i, want := range map[uint64]error{0: eventlog.ErrOutOfRange, 2*eventlog.RangeSize + 1: eventlog.ErrIncomplete, 1 << 40: eventlog.ErrIncomplete} {
		if _, _, err := l.Proof(i); !errors.Is(err, want) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if _, err := eventlog.ParseProof(make([]byte, 391)); err == nil {
		t.Error("a proof cut short")
	}
}

// TestRootsAfterTruncation: a truncation behind which other records come gives the range
// another root, also when the index file with the old one was written already or is
// written while it happens, and when the log is opened again; a range whose beginning was
// compacted away keeps the root that was recorded, and gets none later.
func TestRootsAfterTruncation(t *testing.T) {
	const size = eventlog.RangeSize
	fs, cfg := many(t, 2*size+2000, 400, 64<<10, nil)
	l, err := eventlog.Open(cfg())
	must(t, err)
	l.TruncateAfterAsync(2*size-5, func(err error) { must(t, err) })
	drain(l)
	if _, err := l.Root(1); !errors.Is(err, eventlog.ErrIncomplete) {
		t.Errorf("cut: %v", err)
	}
	extend(t, l, 3*size+2000, 400, 1)
	recs := rangeOf(1, 0)
	for i := size - 5; i < size; i++ {
		recs[i] = small(recs[i].Index, 1)
	}
	check := func(when string) {
		t.Helper()
		for n, want := range []eventlog.Sum{tree(rangeOf(0, 0)), tree(recs), tree(rangeOf(2, 1))} {
			if got, err := l.Root(uint64(n)); err != nil || got != want {
				t.Errorf("%s: range %d: %x, %v", when, n, got, err)
			}
		}
	}
	check("before Tend")
	must(t, l.Tend())
	check("after Tend")
	must(t, l.Close())
	l, err = eventlog.Open(cfg())
	must(t, err)
	check("opened again")

	l.TruncateBeforeAsync(size/2, func(err error) { must(t, err) })
	drain(l)
	if l.First() == 1 {
		t.Fatal("nothing was removed")
	}
	if got, err := l.Root(0); err != nil || got != tree(rangeOf(0, 0)) {
		t.Errorf("the root that was recorded: %v", err)
	}
	if _, _, err := l.Proof(size - 1); !errors.Is(err, eventlog.ErrCompacted) {
		t.Errorf("a proof from half a range: %v", err)
	}
	must(t, l.Close())
	for _, name := range named(fs, ".idx") {
		must(t, fs.Remove(name))
	}
	if l, err = eventlog.Open(cfg()); err != nil {
		t.Fatal(err)
	}
	must(t, l.Tend())
	if _, err := l.Root(0); !errors.Is(err, eventlog.ErrCompacted) {
		t.Errorf("half a range: %v", err)
	}
	must(t, l.Close())
	rep, err := eventlog.Verify(cfg(), nil)
	if err != nil || rep.Roots != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestForgedRoot: a root that is not that of the records, under checksums that all fit, is
// found by Verify and by whoever asks for a proof.
func TestForgedRoot(t *testing.T) {
	fs, cfg := many(t, eventlog.RangeSize+1500, 400, 64<<10, nil)
	root := tree(rangeOf(0, 0))
	forged := false
	for _, name := range named(fs, ".idx") {
		b, err := disk.ReadFile(fs, name)
		must(t, err)
		at := strings.Index(string(b), string(root[:]))
		if at < 0 {
			continue
		}
		b[at]++
		binary.LittleEndian.PutUint32(b[8:], eventlog.Checksum(b[12:]))
		must(t, disk.WriteFileAtomic(fs, name, b))
		forged = true
	}
	if !forged {
		t.Fatal("no index file has the root")
	}
	var corrupt *eventlog.CorruptError
	if _, err := eventlog.Verify(cfg(), nil); !errors.As(err, &corrupt) || !strings.Contains(corrupt.Reason, "Merkle") || !strings.HasSuffix(corrupt.Segment, ".idx") {
		t.Errorf("Verify: %v", err)
	}
	l, err := eventlog.Open(cfg())
	must(t, err)
	if _, _, err := l.Proof(5); !errors.As(err, &corrupt) {
		t.Errorf("Proof: %v", err)
	}
	must(t, l.Close())
}

// TestCrashWhileTending loses power before every call of Tend: the log is whole, and after
// another Tend so are the index files and roots.
func TestCrashWhileTending(t *testing.T) {
	points := 0
	for _, keys := range []eventlog.KeyProvider{nil, fixed(1, 1)} {
		for n := 1; ; n++ {
			fs, salt := disk.NewSim(uint64(n)), uint64(n)
			cfg := sealedConfig(fs, &salt, keys)
			cfg.SegmentBytes = 64 << 10
			l, err := eventlog.Open(cfg)
			must(t, err)
			extend(t, l, eventlog.RangeSize+1500, 1500, 0)
			count := 0
			fs.Hook(at(n, &count, changes, disk.ErrPower))
			if err := l.Tend(); err == nil && count < n {
				break
			}
			for k := range uint64(2) {
				points++
				after := fs.Crash(k)
				cfg := sealedConfig(after, &salt, keys)
				cfg.SegmentBytes = 64 << 10
				l, err := eventlog.Open(cfg)
				must(t, err)
				must(t, l.Tend())
				if got, err := l.Root(0); err != nil || got != tree(rangeOf(0, 0)) || l.Last() != eventlog.RangeSize+1500 {
					t.Errorf("call %d, pattern %d: %v", n, k, err)
				}
				must(t, l.Close())
				if rep, err := eventlog.Verify(cfg, nil); err != nil || rep.Roots != 1 || len(rep.Stale) > 0 {
					t.Errorf("call %d, pattern %d: %+v, %v", n, k, rep, err)
				}
			}
		}
	}
	t.Logf("%d outcomes", points)
	if points < 30 {
		t.Error("too few")
	}
}

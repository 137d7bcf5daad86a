package eventlog_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// key is a payload that is to be redacted.
func key(i uint64) []byte { return fmt.Appendf(nil, "KEY %08d which nobody may find any more", i) }

// keyed returns an open Manual log of n records, every fifth of which is a key.
func keyed(t *testing.T, cfg eventlog.Config, n uint64) (*eventlog.Log, *state) {
	t.Helper()
	l, err := eventlog.Open(cfg)
	must(t, err)
	want := &state{}
	for range n {
		addKeyed(t, l, want)
	}
	return l, want
}

func addKeyed(t *testing.T, l *eventlog.Log, want *state) {
	t.Helper()
	i := l.Last() + 1
	r := eventlog.Record{Index: i, Term: 1, Time: int64(i), Kind: 16, Payload: secret(i)}
	if i%5 == 0 {
		r.Kind, r.Payload = 17, key(i)
	}
	want.recs = append(want.recs, r)
	l.AppendAsync([]eventlog.Record{r}, func(err error) { must(t, err) })
	drain(l)
}

func (s *state) redact(indexes ...uint64) {
	for _, i := range indexes {
		s.recs[i-1] = redactedForm(s.recs[i-1])
	}
}

// nowhere says in which file a payload still stands.
func nowhere(t *testing.T, fs *disk.Sim, payload []byte) {
	t.Helper()
	for _, n := range fs.Files() {
		b, err := disk.ReadFile(fs, n)
		must(t, err)
		if bytes.Contains(b, payload) {
			t.Errorf("%s still holds %q", n, payload)
		}
	}
}

// TestRedact: a payload is gone from every file, sealed segment and active one, compressed
// and encrypted; all other records, chain, roots and proofs are what they were, now and
// when the log is opened again.
func TestRedact(t *testing.T) {
	for name, c := range map[string]struct {
		keys     eventlog.KeyProvider
		compress bool
	}{"clear": {}, "compressed": {compress: true}, "encrypted": {keys: fixed(1, 1)}, "both": {fixed(1, 1), true}} {
		t.Run(name, func(t *testing.T) {
			fs, salt := disk.NewSim(3), uint64(1)
			cfg := func() eventlog.Config {
				cfg := sealedConfig(fs, &salt, c.keys)
				cfg.Compress = c.compress
				return cfg
			}
			l, want := keyed(t, cfg(), 81)
			settle(t, l)
			index, chain := l.Chain()
			segments := len(named(fs, ".seg"))
			gone := []uint64{5, 40, 45, 80} // 80 is in the active segment
			must(t, l.Redact(gone...))
			must(t, l.Redact(gone...))
			want.redact(gone...)
			if i, sum := l.Chain(); i != index || sum != chain {
				t.Error("the chain is another")
			}
			if got := len(named(fs, ".seg")); got < segments {
				t.Errorf("%d segments, then %d", segments, got)
			}
			if problem := want.differs(l, 0); problem != "" {
				t.Error(problem)
			}
			for i := uint64(1); i <= 81; i++ {
				if at, err := l.SeekTime(int64(i)); err != nil || at != i {
					t.Errorf("time %d is at %d, %v", i, at, err)
				}
				if _, err := l.ChainAt(i); err != nil {
					t.Errorf("chain at %d: %v", i, err)
				}
			}
			for range 40 {
				addKeyed(t, l, want)
			}
			settle(t, l)
			must(t, l.Close())
			if _, err := l.Read(1, 1); err == nil {
				t.Error("a closed log is read")
			}
			for _, i := range gone {
				nowhere(t, fs, key(i))
			}
			rep, err := eventlog.Verify(cfg(), nil)
			if err != nil || rep.Last != 121 || rep.Chain != want.sum() || len(rep.Stale) > 0 {
				t.Errorf("%+v, %v", rep, err)
			}
			all := cfg()
			all.CheckAll = true
			for _, c := range []eventlog.Config{cfg(), all} {
				l, err := eventlog.Open(c)
				must(t, err)
				if problem := want.differs(l, 0); problem != "" {
					t.Error(problem)
				}
				must(t, l.Close())
			}
			if s, err := eventlog.Salvage(cfg(), nil); err != nil || s.Records != 121 || len(s.Damaged) > 0 {
				t.Errorf("%+v, %v", s, err)
			}
			// Another log takes the records as they are, and has the same chain.
			other, salt2 := disk.NewSim(4), uint64(9)
			o, err := eventlog.Open(config(other, &salt2))
			must(t, err)
			o.AppendAsync(want.recs, func(err error) { must(t, err) })
			drain(o)
			if problem := want.differs(o, 0); problem != "" {
				t.Errorf("a copy: %s", problem)
			}
			must(t, o.Close())
		})
	}
}

// TestRedactProof: roots and proofs from before are good for what is left of the record.
func TestRedactProof(t *testing.T) {
	fs, salt := disk.NewSim(3), uint64(1)
	cfg := config(fs, &salt)
	cfg.SegmentBytes = 256 << 10
	l, err := eventlog.Open(cfg)
	must(t, err)
	var recs []eventlog.Record
	for i := range uint64(eventlog.RangeSize) {
		recs = append(recs, eventlog.Record{Index: i + 1, Kind: 17, Payload: key(i + 1)})
	}
	l.AppendAsync(recs, func(err error) { must(t, err) })
	drain(l)
	before, root, err := l.Proof(77)
	must(t, err)
	must(t, l.Redact(77))
	settle(t, l)
	after, again, err := l.Proof(77)
	if err != nil || again != root || after != before {
		t.Errorf("the root is %x, then %x, %v", root, again, err)
	}
	left, err := l.Read(77, 1)
	must(t, err)
	if err := eventlog.VerifyProof(root, left[0], before); err != nil || !left[0].Redacted {
		t.Error(err)
	}
	left[0].Payload = left[0].Payload[:31]
	if err := eventlog.VerifyProof(root, left[0], before); !errors.Is(err, eventlog.ErrProof) {
		t.Errorf("half a digest: %v", err)
	}
	must(t, l.Close())
}

// TestRedactBehindTruncation: a record that was taken back, and came again, is redacted in
// both places.
func TestRedactBehindTruncation(t *testing.T) {
	fs, salt := disk.NewSim(3), uint64(1)
	l, want := keyed(t, config(fs, &salt), 25)
	must(t, l.TruncateAfter(19))
	want.recs = want.recs[:19]
	for range 40 {
		addKeyed(t, l, want)
	}
	settle(t, l)
	must(t, l.Redact(20, 25))
	want.redact(20, 25)
	nowhere(t, fs, key(20))
	nowhere(t, fs, key(25))
	if problem := want.differs(l, 0); problem != "" {
		t.Error(problem)
	}
	must(t, l.TruncateBefore(22))
	want.base = 21
	must(t, l.Redact(5, 20, 30)) // the first two may be gone with their segments
	if l.First() <= 5 {
		want.redact(5)
	}
	want.redact(30)
	if problem := want.differs(l, 0); problem != "" {
		t.Error(problem)
	}
	if err := l.Redact(1000); !errors.Is(err, eventlog.ErrOutOfRange) {
		t.Errorf("past the end: %v", err)
	}
	must(t, l.Close())
	if err := l.Redact(35); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestRedactWhileAppending: appends, reads and compression go on beside redactions.
func TestRedactWhileAppending(t *testing.T) {
	fs := disk.NewSim(3)
	l, err := eventlog.Open(eventlog.Config{Dir: "log", FS: fs, SegmentBytes: 64 << 10, Compress: true, Logger: silent})
	must(t, err)
	const each = 600
	pace := make(chan struct{}, 200) // so that redactions come between all appends
	var wg sync.WaitGroup
	for w := range uint64(2) {
		wg.Go(func() {
			for i := range uint64(each) {
				<-pace
				if _, err := l.Add(eventlog.Record{Kind: 17, Payload: key(w*each + i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for l.Durable() < 2*each {
			for range 100 {
				select {
				case pace <- struct{}{}:
				default:
				}
			}
			if last := l.Durable(); last > 10 {
				if err := l.Redact(last, last/2, last/3); err != nil {
					t.Error(err)
				}
			}
			if err := l.Replay(1, func(eventlog.Record) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	gone := map[[32]byte]bool{}
	must(t, l.Replay(1, func(r eventlog.Record) error {
		if r.Redacted {
			gone[[32]byte(r.Payload)] = true
		}
		return nil
	}))
	must(t, l.Close())
	if rep, err := eventlog.Verify(eventlog.Config{Dir: "log", FS: fs}, nil); err != nil || rep.Last != 2*each || len(gone) < 3 {
		t.Errorf("%+v, %d redacted, %v", rep, len(gone), err)
	}
	for i := range uint64(2 * each) {
		if gone[sha256.Sum256(key(i))] {
			nowhere(t, fs, key(i))
		}
	}
}

// TestCrashWhileRedacting loses power before every call that changes the disk on the way:
// the log is whole with the payload or without it, and the redaction can be repeated.
func TestCrashWhileRedacting(t *testing.T) {
	points := 0
	for way, keys := range []eventlog.KeyProvider{nil, fixed(1, 1)} {
		for _, compress := range []bool{false, true} {
			for n := 1; ; n++ {
				fs, salt := disk.NewSim(uint64(n)), uint64(n)
				cfg := func(fs eventlog.FS) eventlog.Config {
					c := sealedConfig(fs, &salt, keys)
					c.Compress = compress
					return c
				}
				l, want := keyed(t, cfg(fs), 25)
				must(t, l.TruncateAfter(22)) // so that one key stands in two places
				want.recs = want.recs[:22]
				for range 20 {
					addKeyed(t, l, want)
				}
				settle(t, l)
				count := 0
				fs.Hook(at(n, &count, changes, disk.ErrPower))
				failed := l.Redact(10, 25, 40)
				if failed == nil {
					failed = l.Tend()
					drain(l)
				}
				if count < n {
					must(t, failed)
					must(t, l.Close())
					break
				}
				for k := range uint64(4) {
					points++
					after := fs.Crash(k)
					l, err := eventlog.Open(cfg(after))
					must(t, err)
					var got []eventlog.Record
					must(t, l.Replay(1, func(r eventlog.Record) error {
						r.Payload = bytes.Clone(r.Payload)
						got = append(got, r)
						return nil
					}))
					half := state{recs: append([]eventlog.Record(nil), want.recs...)}
					for _, i := range []uint64{10, 25, 40} {
						if got[i-1].Redacted {
							half.redact(i)
						}
					}
					if problem := half.differs(l, 0); problem != "" {
						t.Fatalf("way %d, call %d, pattern %d: %s", way, n, k, problem)
					}
					must(t, l.Redact(10, 25, 40))
					settle(t, l)
					must(t, l.Close())
					for _, i := range []uint64{10, 25, 40} {
						nowhere(t, after, key(i))
					}
					if rep, err := eventlog.Verify(cfg(after), nil); err != nil || len(rep.Stale) > 0 || rep.Last != 42 {
						t.Fatalf("way %d, call %d, pattern %d: %+v, %v", way, n, k, rep, err)
					}
				}
			}
		}
	}
	t.Logf("%d outcomes", points)
	if points < 100 {
		t.Error("too few")
	}
}

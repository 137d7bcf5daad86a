package eventlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// settle tends a Manual log until nothing is left to do.
func settle(t *testing.T, l *eventlog.Log) {
	t.Helper()
	for range 3 {
		must(t, l.Tend())
		drain(l)
	}
}

// compressing returns a closed log of n records whose sealed segments were compressed.
func compressing(t *testing.T, keys eventlog.KeyProvider, n int) (*disk.Sim, func() eventlog.Config) {
	t.Helper()
	fs, salt := disk.NewSim(3), uint64(1)
	cfg := func() eventlog.Config {
		c := sealedConfig(fs, &salt, keys)
		c.Compress = true
		return c
	}
	fill(t, cfg(), n)
	l, err := eventlog.Open(cfg())
	must(t, err)
	settle(t, l)
	must(t, l.Close())
	return fs, cfg
}

func total(t *testing.T, fs *disk.Sim) (n int64) {
	for _, name := range named(fs, ".seg") {
		n += fileSize(t, fs, name)
	}
	return n
}

// TestCompress: compressed segments are smaller and hold the same: every record, chain
// value, time and proof, with index files and without, in the clear and encrypted.
func TestCompress(t *testing.T) {
	for name, keys := range map[string]eventlog.KeyProvider{"clear": nil, "encrypted": fixed(1, 1)} {
		plainFS, plainCfg := tended(t, keys, 60)
		fs, cfg := compressing(t, keys, 60)
		if before, after := total(t, plainFS), total(t, fs); after > before*4/5 {
			t.Errorf("%s: %d bytes compressed to %d", name, before, after)
		}
		if bytes.Contains(content(t, fs), []byte("secret 1, secret 1")) {
			t.Errorf("%s: a payload can be read", name)
		}
		a, err := eventlog.Open(plainCfg())
		must(t, err)
		look := func(how string, c eventlog.Config) {
			t.Helper()
			b, err := eventlog.Open(c)
			must(t, err)
			for i := uint64(1); i <= 60; i++ {
				x, err1 := a.ChainAt(i)
				y, err2 := b.ChainAt(i)
				if err1 != nil || err2 != nil || x != y {
					t.Errorf("%s, %s: chain at %d: %v, %v", name, how, i, err1, err2)
				}
				recs, err := b.Read(i, 1)
				if at, seek := b.SeekTime(int64(i)); err != nil || !bytes.Equal(recs[0].Payload, secret(i)) || at != i || seek != nil {
					t.Errorf("%s, %s: record %d: %v; time at %d, %v", name, how, i, err, at, seek)
				}
			}
			must(t, b.Close())
			holds(t, c, 60)
		}
		look("with index files", cfg())
		all := cfg()
		all.CheckAll = true
		look("every byte", all)
		rep, err := eventlog.Verify(cfg(), nil)
		if err != nil || len(rep.Stale) > 0 || rep.Indexes < 3 {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
		for _, idx := range named(fs, ".idx") {
			must(t, fs.Remove(idx))
		}
		look("without index files", cfg())
		if s, err := eventlog.Salvage(cfg(), nil); err != nil || s.Records != 60 || len(s.Damaged) > 0 {
			t.Errorf("%s: salvage: %+v, %v", name, s, err)
		}
		must(t, a.Close())
	}
}

// TestCompressLater: a log whose segments were sealed before Compress was set is
// compressed when it is opened with it; what does not get smaller is tried once.
func TestCompressLater(t *testing.T) {
	fs, cfg := tended(t, nil, 60)
	before := total(t, fs)
	later := cfg()
	later.Compress = true
	l, err := eventlog.Open(later)
	must(t, err)
	settle(t, l)
	must(t, l.Close())
	if after := total(t, fs); after > before*4/5 {
		t.Errorf("%d bytes compressed to %d", before, after)
	}
	holds(t, cfg(), 60)

	noise, salt := disk.NewSim(4), uint64(1)
	rng := rand.New(rand.NewPCG(1, 1))
	c := config(noise, &salt)
	c.Compress = true
	l, err = eventlog.Open(c)
	must(t, err)
	for i := range uint64(40) {
		p := make([]byte, 800)
		for k := range p {
			p[k] = byte(rng.Uint32())
		}
		l.AppendAsync([]eventlog.Record{{Index: i + 1, Payload: p}}, func(err error) { must(t, err) })
		drain(l)
	}
	tries := func() (n int) {
		noise.Hook(func(op disk.Op, name string) error {
			if op == disk.OpOpen && strings.HasSuffix(name, ".seg.tmp") && !strings.Contains(name, "spare") {
				n++
			}
			return nil
		})
		settle(t, l)
		must(t, l.Close())
		noise.Hook(nil)
		return n
	}
	if n := tries(); n < 2 {
		t.Errorf("%d segments of noise were tried", n)
	}
	l, err = eventlog.Open(c)
	must(t, err)
	if n := tries(); n != 0 {
		t.Errorf("%d segments of noise were tried again", n)
	}
	if rep, err := eventlog.Verify(c, nil); err != nil || rep.Last != 40 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestCrashWhileCompressing loses power before every call while segments are compressed,
// indexed and put in place, while the log is cut at both ends: what is found is the whole
// log, and it can be compressed again.
func TestCrashWhileCompressing(t *testing.T) {
	points := 0
	for way, keys := range []eventlog.KeyProvider{nil, fixed(1, 1)} {
		for cut := range 3 {
			for n := 1; ; n++ {
				fs, salt := disk.NewSim(uint64(n)), uint64(n)
				cfg := func(fs eventlog.FS) eventlog.Config {
					c := sealedConfig(fs, &salt, keys)
					c.Compress = true
					return c
				}
				l, err := eventlog.Open(cfg(fs))
				must(t, err)
				want := state{}
				add := func(n int) {
					for range n {
						r := eventlog.Record{Index: l.Last() + 1, Term: 1, Payload: secret(l.Last() + 1)}
						want.recs = append(want.recs, r)
						l.AppendAsync([]eventlog.Record{r}, func(err error) { must(t, err) })
						drain(l)
					}
				}
				add(34)
				count, failed := 0, error(nil)
				note := func(err error) { failed = errors.Join(failed, err) }
				fs.Hook(at(n, &count, changes, disk.ErrPower))
				before := want
				note(l.Tend())
				switch cut { // in the queue behind the swaps
				case 1:
					l.TruncateAfterAsync(20, note)
					want.recs = want.recs[:20]
				case 2:
					l.TruncateBeforeAsync(25, note)
					want.base = 24
				}
				drain(l)
				if failed == nil {
					note(l.Tend())
				}
				if count < n {
					if problem := want.differs(l, 0); problem != "" || failed != nil {
						t.Fatalf("way %d, cut %d, no crash: %s, %v", way, cut, problem, failed)
					}
					break
				}
				for k := range uint64(3) {
					points++
					after := fs.Crash(k)
					l, err := eventlog.Open(cfg(after))
					must(t, err)
					problem := want.differs(l, 0)
					if problem != "" && cut > 0 && failed != nil {
						problem = before.differs(l, 0)
					}
					if problem != "" {
						t.Fatalf("way %d, cut %d, call %d, pattern %d: %s", way, cut, n, k, problem)
					}
					settle(t, l)
					must(t, l.Close())
					if rep, err := eventlog.Verify(cfg(after), nil); err != nil || len(rep.Stale) > 0 {
						t.Fatalf("way %d, cut %d, call %d, pattern %d: %+v, %v", way, cut, n, k, rep, err)
					}
				}
			}
		}
	}
	t.Logf("%d outcomes", points)
	if points < 200 {
		t.Error("too few")
	}
}

// TestReadWhileCompressing reads a log on the real disk again and again while its segments
// are put in place of others.
func TestReadWhileCompressing(t *testing.T) {
	cfg := eventlog.Config{Dir: t.TempDir(), SegmentBytes: 64 << 10, Compress: true, Logger: silent}
	l, err := eventlog.Open(cfg)
	must(t, err)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				next := uint64(1)
				if err := l.Replay(1, func(r eventlog.Record) error {
					if r.Index != next || !bytes.Equal(r.Payload, secret(next)) {
						return fmt.Errorf("record %d is another", next)
					}
					next++
					return nil
				}); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range uint64(600) {
		must(t, l.Append(eventlog.Record{Index: i + 1, Time: int64(i + 1), Payload: secret(i + 1)}))
	}
	close(stop)
	readers.Wait()
	must(t, l.Close())
	again, err := eventlog.Open(cfg)
	must(t, err)
	must(t, again.Close())
	rep, err := eventlog.Verify(cfg, nil)
	if err != nil || rep.Last != 600 {
		t.Errorf("%+v, %v", rep, err)
	}
}

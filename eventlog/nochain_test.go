package eventlog_test

import (
	"errors"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestNoChain: a log without a chain does all else that a log does, says so, and stays as
// it was begun.
func TestNoChain(t *testing.T) {
	for name, keys := range map[string]eventlog.KeyProvider{"clear": nil, "encrypted": fixed(1, 1)} {
		fs, salt := disk.NewSim(3), uint64(1)
		cfg := func() eventlog.Config {
			c := sealedConfig(fs, &salt, keys)
			c.NoChain, c.Compress = true, true
			return c
		}
		l, want := keyed(t, cfg(), 60)
		must(t, l.TruncateAfter(50))
		want.recs = want.recs[:50]
		for range 20 {
			addKeyed(t, l, want)
		}
		settle(t, l)
		must(t, l.Redact(10, 60))
		want.redact(10, 60)
		settle(t, l)
		if index, sum := l.Chain(); index != 70 || sum != (eventlog.Sum{}) || l.Chained() {
			t.Errorf("%s: %d %x %v", name, index, sum, l.Chained())
		}
		if sum, err := l.ChainAt(33); err != nil || sum != (eventlog.Sum{}) {
			t.Errorf("%s: %x, %v", name, sum, err)
		}
		if _, _, err := l.Proof(1); !errors.Is(err, eventlog.ErrNoChain) {
			t.Errorf("%s: a proof: %v", name, err)
		}
		must(t, l.Close())
		nowhere(t, fs, key(10))
		nowhere(t, fs, key(60))
		rep, err := eventlog.Verify(cfg(), nil)
		if err != nil || rep.Chained || rep.Last != 70 || len(rep.Stale) > 0 {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
		all := cfg()
		all.CheckAll = true
		for _, c := range []eventlog.Config{cfg(), all} {
			l, err := eventlog.Open(c)
			must(t, err)
			next := uint64(1)
			must(t, l.Replay(1, func(r eventlog.Record) error {
				if w := want.recs[next-1]; r.Index != next || string(r.Payload) != string(w.Payload) || r.Redacted != w.Redacted {
					t.Errorf("%s: record %d is another", name, next)
				}
				next++
				return nil
			}))
			if next != 71 {
				t.Errorf("%s: %d records", name, next-1)
			}
			must(t, l.Close())
		}
		if s, err := eventlog.Salvage(cfg(), nil); err != nil || len(s.Damaged) > 0 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		with := cfg()
		with.NoChain = false
		if _, err := eventlog.Open(with); !errors.Is(err, eventlog.ErrNoChain) {
			t.Errorf("%s: opened with a chain: %v", name, err)
		}
	}
	fs, salt := disk.NewSim(3), uint64(1)
	fill(t, config(fs, &salt), 5)
	c := config(fs, &salt)
	c.NoChain = true
	if _, err := eventlog.Open(c); err == nil {
		t.Error("a log with a chain is opened without")
	}
	c.Begin.Chain[0], c.Dir = 1, "other"
	if _, err := eventlog.Open(c); err == nil {
		t.Error("a chain value to begin with")
	}
}

package lithair

import (
	"errors"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus"
)

// TestHoldFormat: one member that holds the format back keeps the cluster at it; it is raised when that one
// starts without, and behind that a start that would hold it back says so.
func TestHoldFormat(t *testing.T) {
	m := startCluster(t, 3, notes, func(c *Config) {
		if c.NodeID == 3 {
			c.HoldFormat = 1
		}
	})
	m.push(3)
	await(t, "the leader knows what all read", func() bool {
		s := m.apps[m.leader()].cluster.Load().node.Status()
		for _, p := range s.Peers {
			if newest := p.Newest; newest == 0 || p.ID == 3 && newest != 1 {
				return false
			}
		}
		return true
	})
	m.push(3)
	m.equal()
	for i, a := range m.apps {
		if f := a.cluster.Load().node.Format(); f != 1 {
			t.Errorf("node %d: the format is %d, which node 3 holds back", i+1, f)
		}
	}
	m.stop(2)
	m.cfgs[2].HoldFormat = 0
	m.start(2)
	await(t, "the format is raised", func() bool {
		for _, a := range m.apps {
			if a.cluster.Load().node.Format() != consensus.NewestFormat {
				return false
			}
		}
		return true
	})
	m.stop(1)
	m.cfgs[1].HoldFormat = 1
	tooLate(t, m.cfgs[1], notes)
	m.cfgs[1].HoldFormat = 0
	m.start(1)
	m.push(1)
	m.equal()
}

// TestHoldFormatAlone: a node that stands alone raises its format by its first start without.
func TestHoldFormatAlone(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), HoldFormat: 1}
	run := func(cfg Config) {
		t.Helper()
		a := newApp(t, cfg)
		notes(a)
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := stop(a); err != nil {
			t.Fatal(err)
		}
	}
	run(cfg)
	run(cfg)
	run(Config{Dir: cfg.Dir})
	tooLate(t, cfg, notes)

	for _, wrong := range []int64{-1, int64(consensus.NewestFormat) + 1} {
		err := newApp(t, Config{HoldFormat: wrong}).Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "hold-format: is") {
			t.Errorf("hold-format %d: %v", wrong, err)
		}
	}
}

// tooLate starts what is to fail since its format was raised.
func tooLate(t *testing.T, cfg Config, set func(*App)) {
	t.Helper()
	a := newApp(t, cfg)
	set(a)
	err := a.Start(t.Context())
	if _, ok := errors.AsType[*consensus.FormatError](err); !ok || !strings.Contains(err.Error(), "hold-format: 1 comes too late") {
		t.Errorf("the start says: %v", err)
	}
	if err == nil {
		_ = stop(a)
	}
}

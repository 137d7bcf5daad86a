package lithair

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus"
)

// spoil turns a bit in each file with that extension of a stopped node, at or just behind a place.
func (m *members) spoil(i int, part, ext string, at int) (files int) {
	m.Helper()
	dir := filepath.Join(m.cfgs[i].Dir, part)
	names, err := os.ReadDir(dir)
	if err != nil {
		m.Fatal(err)
	}
	for _, n := range names {
		name := filepath.Join(dir, n.Name())
		if filepath.Ext(name) != ext {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			m.Fatal(err)
		}
		k := bytes.IndexFunc(b[min(at, len(b)):], func(r rune) bool { return r != 0 }) // numbers have zeros, and so has what fills blocks
		if k < 0 {
			continue // nothing stands there
		}
		b[at+k] ^= 4
		if err := os.WriteFile(name, b, 0o600); err != nil {
			m.Fatal(err)
		}
		files++
	}
	return files
}

// metric reads one figure of a node.
func (m *members) metric(i int, line string) bool {
	m.Helper()
	return strings.Contains(call(m.T, m.apps[i], "GET", "/metrics", "").body, line+"\n")
}

// incarnation is that of a member, as the leader knows it.
func (m *members) incarnation(i int) (uint64, consensus.Role) {
	m.Helper()
	x, _ := m.apps[m.leader()].cluster.Load().node.Status().Membership.Find(consensus.NodeID(i + 1))
	return x.Incarnation, x.Role
}

// TestDamagedLogIsRepaired: a node finds damage in several segments of its log, fetches the records from the others
// and is what it was: with its promises, and the same log.
func TestDamagedLogIsRepaired(t *testing.T) {
	m := startCluster(t, 3, func(a *App) { notes(a); a.segmentBytes = 16 << 10 })
	m.push(100)
	odd := m.follower()
	m.equal()
	m.stop(odd)
	if n := m.spoil(odd, "log", ".seg", 4096+150); n < 2 {
		t.Fatalf("%d segments", n)
	}
	m.start(odd)
	m.push(5)
	m.equal()
	if inc, role := m.incarnation(odd); inc != 0 || role != consensus.Voter {
		t.Errorf("it is another incarnation, %d, role %v", inc, role)
	}
	a := m.apps[odd]
	if a.repairs.records.Load() == 0 || a.repairs.cuts.Load() != 0 || !m.metric(odd, "lithair_repair_active 0") || m.metric(odd, "lithair_repair_records_total 0") {
		t.Errorf("%d records, %d cuts", a.repairs.records.Load(), a.repairs.cuts.Load())
	}
	if err := a.events.CheckFrom(1); err != nil {
		t.Error(err)
	}
	for i := range m.apps {
		m.stop(i)
	}
}

// TestDamageThatAScrubFinds: damage stands in what a snapshot holds, so that a start does not read it all. It is found
// by a scrub, said, and gone behind another start.
func TestDamageThatAScrubFinds(t *testing.T) {
	m := startCluster(t, 3, func(a *App) { notes(a); a.segmentBytes = 16 << 10 })
	m.push(60)
	m.equal()
	odd := m.follower()
	if err := m.apps[odd].Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.push(3)
	m.equal()
	m.stop(odd)
	if n := m.spoil(odd, "log", ".seg", 4096+150); n == 0 {
		t.Fatalf("%d segments", n)
	}
	m.start(odd)
	if m.apps[odd].repairs.records.Load() == 0 { // what it read was whole
		m.apps[odd].scrubOnce(t.Context())
		if said := m.apps[odd].damage(m.apps[odd].cluster.Load()); said == "" {
			t.Fatal("damage is not found")
		}
		m.stop(odd)
		m.start(odd)
	}
	await(t, "it is repaired", func() bool { // one segment is found at a time
		whole := m.apps[odd].events.CheckFrom(1) == nil
		if !whole {
			m.apps[odd].scrubOnce(t.Context())
			m.stop(odd)
			m.start(odd)
		}
		return whole
	})
	m.push(3)
	m.equal()
	for i := range m.apps {
		m.stop(i)
	}
}

// TestAllRepairAtOnce: all nodes were damaged, each elsewhere, and none is up: they make each other whole.
func TestAllRepairAtOnce(t *testing.T) {
	m := startCluster(t, 3, func(a *App) { notes(a); a.segmentBytes = 16 << 10 })
	m.push(60)
	m.equal()
	for i := range m.apps {
		m.stop(i)
	}
	for i := range m.cfgs {
		if m.spoil(i, "log", ".seg", 4096+150+1500*i) == 0 {
			t.Fatal("nothing is damaged")
		}
	}
	started := make(chan error, len(m.cfgs))
	for i := range m.cfgs {
		a := newApp(t, m.cfgs[i])
		m.set(a)
		m.apps[i] = a
		go func() { started <- a.Start(bounded(t)) }()
	}
	for range m.cfgs {
		if err := receive(t, "the end of Start", started); err != nil {
			t.Fatal(err)
		}
	}
	m.push(5)
	m.equal()
	for i, a := range m.apps {
		if a.repairs.records.Load() == 0 {
			t.Errorf("node %d has repaired nothing", i+1)
		}
		m.stop(i)
	}
}

// TestLostSnapshotIsFilledAnew: all snapshots of a node are damaged, and the log before them is gone. It comes back
// as another incarnation and is fed with a snapshot.
func TestLostSnapshotIsFilledAnew(t *testing.T) {
	t.Parallel()
	m := compacting(t, 3, 1)
	m.write(m.leader(), 30)
	m.equal()
	odd := m.follower()
	m.stop(odd)
	if m.spoil(odd, "snapshots", ".snap", 150) == 0 {
		t.Fatal("no snapshot")
	}
	m.start(odd)
	m.installed(odd)
	m.equal()
	m.await("it votes again", func() bool {
		inc, role := m.incarnation(odd)
		return inc != 0 && role == consensus.Voter
	})
	if m.apps[odd].repairs.cuts.Load() != 1 {
		t.Error("nothing was filled anew")
	}
	for i := range m.apps {
		m.stop(i)
	}
}

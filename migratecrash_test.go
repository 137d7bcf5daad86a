package lithair

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// tally counts how often a migration has dealt with a record, in the transaction that did.
type tally struct {
	ID    string `json:"id"`
	Count int64  `json:"count"`
}

// ledger is an application whose migration does to each record what cannot be done twice without being seen.
type ledger struct {
	app       *App
	goods     *Collection[good]
	tallies   *Collection[tally]
	migration *Migration // nil: the program before it
	entered   func(id string)
}

// register makes it of an application; entered is called with the id of each record that the migration comes to.
func (l *ledger) register(a *App, migrates bool) {
	l.app, l.goods, l.tallies = a, Model[good](a, ""), Model[tally](a, "")
	if !migrates {
		return
	}
	l.migration = l.goods.Migrate("hundredfold", func(tx *Tx, g *good) error {
		if l.entered != nil {
			l.entered(g.ID)
		}
		g.Cents *= 100
		all, err := l.tallies.Get(tx, "all")
		all.ID, all.Count = "all", all.Count+1
		if err != nil && err != ErrNotFound {
			return err
		}
		return l.tallies.Upsert(tx, &all)
	})
}

// fill inserts the records of the older program.
func (l *ledger) fill(t *testing.T, many int) {
	t.Helper()
	if err := l.app.Update(t.Context(), func(tx *Tx) error {
		for i := range many {
			if err := l.goods.Insert(tx, &good{ID: fmt.Sprintf("%04d", i), Cents: int64(i) + 1}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// progress returns how many records a node shows to have been migrated.
func (l *ledger) progress() (n uint64) {
	_ = l.app.View(func(s *Snapshot) error { n = l.migration.Records(s); return nil })
	return n
}

// judge returns what is wrong with a state: in the middle of the migration as much as behind its end, each record is there, and
// was dealt with once if it stands in front of where the migration has come to, and else not at all.
func (l *ledger) judge(many int) error {
	return l.app.View(func(s *Snapshot) error {
		done, n := int(l.migration.Records(s)), 0
		for g, err := range l.goods.Scan(s) {
			if err != nil {
				return err
			}
			want := int64(n) + 1
			if n < done {
				want *= 100
			}
			if g.ID != fmt.Sprintf("%04d", n) || g.Cents != want {
				return fmt.Errorf("record %d of %d is %+v, with %d migrated", n, many, g, done)
			}
			n++
		}
		all, err := l.tallies.Get(s, "all")
		if err != nil && err != ErrNotFound {
			return err
		}
		if n != many || all.Count != int64(done) || l.migration.Done(s) && done != many {
			return fmt.Errorf("%d records of %d, %d migrated, %d counted", n, many, done, all.Count)
		}
		return nil
	})
}

// changesDisk says whether a call changes what a power failure may find.
func changesDisk(op disk.Op) bool {
	switch op {
	case disk.OpWrite, disk.OpSync, disk.OpTruncate, disk.OpAllocate, disk.OpRename, disk.OpRemove, disk.OpSyncDir, disk.OpMkdir:
		return true
	}
	return false
}

// cutPower has the power of a disk fail in its n-th call that changes something; off is closed then.
func cutPower(fs *disk.Sim, n int) (off <-chan struct{}) {
	gone, count := make(chan struct{}), 0
	fs.Hook(func(op disk.Op, _ string) error {
		if !changesDisk(op) {
			return nil
		}
		if count++; count == n {
			close(gone)
			return disk.ErrPower
		}
		return nil
	})
	return gone
}

// powerless stops an application whose disk is gone: it has nothing to say that matters.
func powerless(a *App) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = a.Shutdown(ctx)
}

// TestMigrateCrash lets the power fail in every call that changes the disk, from the start of the program with a migration, with a snapshot
// half way, to the end of its shutdown. What is found goes on, and each record is migrated once.
func TestMigrateCrash(t *testing.T) {
	t.Parallel()
	many, patterns, stride := migrationBatch+7, uint64(1), 2
	if os.Getenv("LITHAIR_LONG") != "" {
		many, patterns, stride = 3*migrationBatch+7, 12, 1
	}
	base := disk.NewSim(7)
	{
		var l ledger
		a := newApp(t, Config{Dir: "data", FS: base})
		l.register(a, false)
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.fill(t, many)
		if err := stop(a); err != nil {
			t.Fatal(err)
		}
	}
	open := func(fs *disk.Sim) (*ledger, error) {
		l := &ledger{}
		l.register(newApp(t, Config{Dir: "data", FS: fs}), true)
		return l, l.app.Start(t.Context())
	}
	// run does all there is to do, until the power fails; it returns what was shown to be done.
	run := func(fs *disk.Sim, off <-chan struct{}) (shown uint64, failed bool) {
		l, err := open(fs)
		if err == nil {
			half := sync.OnceFunc(func() { _ = l.app.Snapshot(t.Context()) })
			for done := false; !done && !failed; {
				changed := l.app.engine.Changed()
				shown = l.progress()
				if done = shown == uint64(many); shown > 0 {
					half()
				}
				if !done {
					select {
					case <-changed:
					case <-off:
						failed = true
					case <-time.After(patience):
						t.Fatalf("nothing changes behind %d of %d records, and the power is there; goroutines:\n%s", shown, many, goroutines())
					}
				}
			}
			shown = max(shown, l.progress())
			if err := l.judge(many); err != nil {
				t.Fatal(err)
			}
		}
		powerless(l.app)
		select {
		case <-off:
			return shown, true
		default:
			if err != nil {
				t.Fatal(err)
			}
			return shown, false
		}
	}
	points, outcomes, partly, begun := 0, 0, 0, 0
	for n := 1; ; n += stride {
		fs := base.Crash(0)
		shown, failed := run(fs, cutPower(fs, n))
		if !failed {
			break
		}
		points++
		for k := range patterns {
			l, err := open(fs.Crash(k + uint64(n)))
			if err != nil {
				t.Fatalf("call %d, pattern %d: %v", n, k, err)
			}
			outcomes++
			found := l.progress()
			if found < shown {
				t.Fatalf("call %d, pattern %d: %d records were shown to be migrated, %d are found", n, k, shown, found)
			}
			switch {
			case found == 0:
				begun++
			case found < uint64(many):
				partly++
			}
			if err := l.judge(many); err != nil {
				t.Fatalf("call %d, pattern %d: %v", n, k, err)
			}
			if got := awaitMigration(t, l.app, l.migration); got != uint64(many) {
				t.Fatalf("call %d, pattern %d: %d records of %d", n, k, got, many)
			}
			if err := l.judge(many); err != nil {
				t.Fatalf("call %d, pattern %d, at the end: %v", n, k, err)
			}
			if err := stop(l.app); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d crash points, %d outcomes: %d found it not begun, %d half done; LITHAIR_LONG=%q", points, outcomes, begun, partly, os.Getenv("LITHAIR_LONG"))
	if points < 10 || begun == 0 {
		t.Error("the power has hardly failed")
	}
}

// TestMigrateLeaderCrash lets the power fail in calls of the leader of three nodes while it migrates; the others go on, and so does
// the old leader, with what is left on its disk.
func TestMigrateLeaderCrash(t *testing.T) {
	t.Parallel()
	many, patterns := 2*migrationBatch, 1
	if os.Getenv("LITHAIR_LONG") != "" {
		many, patterns = 5*migrationBatch, 6
	}
	var ledgers []*ledger
	migrates := false
	entered := func(string) {}
	disks := []*disk.Sim{disk.NewSim(1), disk.NewSim(2), disk.NewSim(3)}
	m := startCluster(t, 3, func(a *App) {
		l := &ledger{entered: func(id string) { entered(id) }}
		l.register(a, migrates)
		ledgers = append(ledgers, l)
	}, func(c *Config) { c.Dir, c.FS = "data", disks[c.NodeID-1] })
	of := func(a *App) *ledger {
		for _, l := range ledgers {
			if l.app == a {
				return l
			}
		}
		return nil
	}
	of(m.apps[m.leader()]).fill(t, many)
	m.equal()
	allStop := func() {
		for i, a := range m.apps {
			if m.apps[i] = nil; a != nil {
				powerless(a)
			}
		}
	}
	allStop()
	migrates = true
	points, handed := 0, 0
	for i := 0; ; i++ {
		n, pattern := i/patterns+1, i%patterns
		ledgers = nil
		for i := range m.cfgs {
			m.cfgs[i].FS = disks[i].Crash(0)
		}
		var once sync.Once
		waits, begin := make(chan struct{}), make(chan struct{})
		goOn := sync.OnceFunc(func() { close(begin) })
		t.Cleanup(goOn)                                                      // or a leader that waits could not be stopped
		entered = func(string) { once.Do(func() { close(waits); <-begin }) } // the leader waits in its first record
		for i := range m.cfgs {
			m.start(i)
		}
		closed(t, "a leader is at its first record", waits)
		lead := m.leader()
		fs := m.cfgs[lead].FS.(*disk.Sim)
		off := cutPower(fs, n)
		goOn()
		old := m.apps[lead]
		failed := false
		for done := false; !done && !failed; {
			changed := old.engine.Changed()
			if done = of(old).progress() == uint64(many); done {
				break
			}
			select {
			case <-changed:
			case <-off:
				failed = true
			case <-time.After(patience):
				t.Fatalf("nothing changes behind %d of %d records, and the power is there; goroutines:\n%s", of(old).progress(), many, goroutines())
			}
		}
		if !failed {
			allStop()
			break
		}
		points++
		shown := of(old).progress()
		m.apps[lead] = nil
		powerless(old)
		m.cfgs[lead].FS = fs.Crash(uint64(n + pattern))
		m.start(lead)
		if l := m.leader(); l != lead {
			handed++
		}
		for i, a := range m.apps {
			if got := awaitMigration(t, a, of(a).migration); got != uint64(many) || got < shown {
				t.Fatalf("call %d, pattern %d, node %d: %d records of %d; %d were shown to be migrated", n, pattern, i+1, got, many, shown)
			}
			if err := of(a).judge(many); err != nil {
				t.Fatalf("call %d, pattern %d, node %d: %v", n, pattern, i+1, err)
			}
		}
		m.equal()
		allStop()
	}
	t.Logf("%d power failures of the leader, behind %d another led; LITHAIR_LONG=%q", points, handed, os.Getenv("LITHAIR_LONG"))
	if points == 0 || handed == 0 {
		t.Error("the power has hardly failed")
	}
}

// TestMigrateDeposedLeader: a leader is held up in the middle of a transaction of its migration until another leads and has
// done it all; what it does then, when it goes on, is nothing. And one that gets leadership back half way goes on from there.
func TestMigrateDeposedLeader(t *testing.T) {
	t.Parallel()
	const many = 3*migrationBatch + 1
	for _, back := range []bool{false, true} {
		var mu sync.Mutex
		var ledgers []*ledger
		migrates := false
		held, release := make(chan *App, 2), make(chan struct{})
		stopsAt := map[string]bool{fmt.Sprintf("%04d", migrationBatch+3): true}
		if back { // the next leader is held up as well, one batch later
			stopsAt[fmt.Sprintf("%04d", 2*migrationBatch+3)] = true
		}
		m := startCluster(t, 3, func(a *App) {
			l := &ledger{}
			l.entered = func(id string) {
				mu.Lock()
				stops := stopsAt[id]
				delete(stopsAt, id)
				mu.Unlock()
				if stops {
					held <- a
					<-release
				}
			}
			l.register(a, migrates)
			ledgers = append(ledgers, l)
		})
		goOn := sync.OnceFunc(func() { close(release) })
		t.Cleanup(goOn) // or a leader that is held up could not be stopped
		of := func(a *App) *ledger {
			for _, l := range ledgers {
				if l.app == a {
					return l
				}
			}
			return nil
		}
		of(m.apps[m.leader()]).fill(t, many)
		m.equal()
		for i := range m.apps {
			m.stop(i)
		}
		ledgers, migrates = nil, true
		for i := range m.apps {
			m.start(i)
		}
		index := func(a *App) int {
			for i := range m.apps {
				if m.apps[i] == a {
					return i
				}
			}
			return -1
		}
		first := index(receive(t, "a leader is held up", held))
		second := (first + 1) % 3
		m.leads(second)
		if back { // it is held up as well, or another one that leads by now
			if at := index(receive(t, "the next leader is held up", held)); at == first {
				t.Fatalf("node %d migrates, where it is held up", at+1)
			}
			m.leads(first)
		} else {
			done := holds(m.apps[second], func(s *Snapshot) bool { return of(m.apps[second]).migration.Done(s) })
			m.await("the next leader does it all", func() bool {
				if m.leader() == first && !done() {
					m.leads(second) // the first one is held up still
				}
				return done()
			})
		}
		goOn()
		for i, a := range m.apps {
			if got := awaitMigration(t, a, of(a).migration); got != many {
				t.Errorf("node %d: %d records of %d", i+1, got, many)
			}
		}
		m.equal()
		for i, a := range m.apps {
			if err := of(a).judge(many); err != nil {
				t.Errorf("node %d: %v", i+1, err)
			}
			m.stop(i)
		}
	}
}

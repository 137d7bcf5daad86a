package lithair

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
)

// A member whose log is damaged fetches what is missing from the others before it takes part, see
// node.Repair. It is reachable for them meanwhile, to answer members that repair theirs.

// repairs counts what has been repaired since the process began.
type repairs struct {
	active  atomic.Bool
	begun   atomic.Uint64
	ranges  atomic.Uint64
	records atomic.Uint64
	cuts    atomic.Uint64
	failed  atomic.Uint64 // questions that nobody answered
}

// maxRepairs is how often one start repairs: damage, what a cut leaves undone, and once more.
const maxRepairs = 4

// repairPause is how long a repair waits when nobody answers.
const repairPause = 200 * time.Millisecond

// openMember opens the log of a cluster's member and starts its part, and repairs what must be
// repaired before.
func (a *App) openMember(cc *clusterConfig, sink engine.Sink) (engine.Order, error) {
	a.repairStats()
	for tries := 0; ; tries++ {
		order, err := a.tryMember(cc, sink)
		if err == nil || tries == maxRepairs || !a.repairable(err) {
			return order, err
		}
		if err := a.repairMember(cc, sink, err); err != nil {
			return nil, err
		}
	}
}

// repairable says whether a start can be tried again behind a repair: nothing was replayed.
func (a *App) repairable(err error) bool {
	_, unread := errors.AsType[*node.UnreadError](err)
	_, corrupt := errors.AsType[*eventlog.CorruptError](err)
	return unread && corrupt || errors.Is(err, node.ErrMissing)
}

// tryMember reads all that will be replayed once before: the replay must not stop in the middle.
func (a *App) tryMember(cc *clusterConfig, sink engine.Sink) (engine.Order, error) {
	log, err := eventlog.Open(a.logConfig())
	if err != nil {
		return nil, &node.UnreadError{Err: err}
	}
	if err := log.CheckFrom(sink.Holds().Index + 1); err != nil {
		return nil, errors.Join(&node.UnreadError{Err: err}, log.Suspect(err), log.Close())
	}
	order, err := a.openCluster(cc, log, sink)
	if err != nil {
		return nil, errors.Join(err, log.Suspect(err), log.Close())
	}
	a.events = log
	return order, nil
}

// repairMember makes the log whole, or the node another incarnation.
func (a *App) repairMember(cc *clusterConfig, sink engine.Sink, cause error) error {
	cfg := node.RepairConfig{Log: a.logConfig(), FS: a.cfg.FS, Dir: a.cfg.Dir, File: raftFile, Held: sink.Holds(), Note: sink.Note(), Incarnation: max(1, rand.Uint64()), Logger: a.log}
	a.repairs.begun.Add(1)
	if errors.Is(cause, node.ErrMissing) {
		cfg.Cause = cause
	}
	r, err := node.BeginRepair(cfg)
	if err != nil {
		return errors.Join(cause, err)
	}
	a.repairs.active.Store(true)
	defer a.repairs.active.Store(false)
	if err := a.fetchRepair(cc, r); err != nil {
		return errors.Join(err, r.Close())
	}
	done, err := r.Finish()
	a.repairs.ranges.Add(uint64(done.Ranges))
	a.repairs.records.Add(done.Records)
	if done.Cut {
		a.repairs.cuts.Add(1)
	}
	for id, n := range done.From {
		a.log.Info("records came from another member", "node", uint64(id), "records", n)
	}
	if err != nil {
		return errors.Join(cause, err)
	}
	return nil
}

// fetchRepair asks the other members until nothing more is wanted.
func (a *App) fetchRepair(cc *clusterConfig, r *node.Repair) (err error) {
	tcp, err := a.openPeers(cc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tcp.Close()) }()
	l, err := tcp.Listen(node.RepairStream)
	if err != nil {
		return err
	}
	go node.ServeRepair(l, r.Answer) // until tcp is closed
	tcp.Serve(func(...consensus.Message) {}, func(consensus.NodeID) {})
	for failed := 0; ; {
		q, to, ok, err := r.Next()
		if err != nil || !ok {
			return err
		}
		tcp.Members(r.Members())
		ctx, cancel := context.WithTimeout(a.starting, repairTimeout)
		answer, failure := tcp.FetchRecords(ctx, to, q)
		cancel()
		if err := r.Take(to, answer, failure); err != nil {
			return err
		}
		switch {
		case q.First == 0: // whether it takes part
		case len(answer.Records) > 0:
			failed = 0
			continue
		}
		a.repairs.failed.Add(1)
		if failed++; failed%repairWord == 1 {
			a.log.Warn("this node repairs its log, and a member has not what it needs, or does not take part with a vote itself; it is asked again", "node", uint64(to), "first_index", q.First, "last_index", q.Last, "runs", answer.Runs, "votes", answer.Votes, "error", failure)
		}
		if w := r.Waiting(); failed%repairWord == 0 && w.Run < w.Needed {
			a.log.Error("the repair of this node's log waits until more voters beside it run; if those that do not answer are gone for good, the cluster has lost its quorum: "+
				"then stop all nodes, and with \"cluster recover NAME HOST:PORT -dir DIR\" one of them, whose log is whole, begins a new cluster, which the others join with empty directories; "+
				"with -dry-run it says how far each one's log reaches: take that with the most", "run", w.Run, "needed", w.Needed, "do_not_answer", w.Mute)
		}
		t := time.NewTimer(repairPause)
		select {
		case <-t.C:
		case <-a.starting.Done():
			t.Stop()
			return context.Cause(a.starting)
		}
	}
}

// repairTimeout bounds one question; repairWord is after how many failures there is a word of them again.
const (
	repairTimeout = 30 * time.Second
	repairWord    = 50
)

// serveRecords answers members that repair their logs, as long as the node runs.
func (c *cluster) serveRecords() error {
	l, err := c.tcp.Listen(node.RepairStream)
	if err == nil {
		go node.ServeRepair(l, c.node.Records)
	}
	return err
}

// repairStats registers figures that are of use while the node is not there yet.
func (a *App) repairStats() {
	m := a.metrics
	count := func(n *atomic.Uint64) func() float64 { return func() float64 { return float64(n.Load()) } }
	m.GaugeFunc("lithair_repair_active", "1 while this node fetches damaged records of its log from the other members, and takes no part.", func() float64 {
		if a.repairs.active.Load() {
			return 1
		}
		return 0
	})
	m.CounterFunc("lithair_repair_started_total", "Repairs of the log of this node that were begun.", count(&a.repairs.begun))
	m.CounterFunc("lithair_repair_ranges_total", "Damaged ranges that were found in the log.", count(&a.repairs.ranges))
	m.CounterFunc("lithair_repair_records_total", "Records that were fetched from other members and filled in.", count(&a.repairs.records))
	m.CounterFunc("lithair_repair_cuts_total", "Repairs that had to make this node another incarnation, with less of a log or none, for the leader to feed.", count(&a.repairs.cuts))
	m.CounterFunc("lithair_repair_failed_questions_total", "Questions for damaged records that a member did not answer.", count(&a.repairs.failed))
}

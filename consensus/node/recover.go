package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Recovery is where a node stood when its cluster lost its quorum for good.
type Recovery struct {
	ID      consensus.NodeID
	Term    uint64
	Members consensus.Membership // newest known to be committed
	// Entries up to Committed were known to be committed here, those up to Last are in the log and
	// are kept, whether they were committed or not. What others acknowledged behind Last is
	// not here: of several directories the one with the highest LastTerm, and of these the
	// highest Last, has the most.
	Committed, Last uint64
	LastTerm        uint64
	LastTime        int64 // Unix ns
}

// RecoverConfig says which node goes on alone. All but FS and Now are required.
type RecoverConfig struct {
	Log     *eventlog.Log // open for writing, so that nobody else has it
	FS      disk.FS       // default: the real one
	Dir     string        // with the identity
	File    string        // of the identity
	Cluster uint64        // number of the new cluster
	Address string        // of this node, for others that join
	Now     func() time.Time
	// Agree is told where the node stands before anything is changed; its error ends Recover.
	Agree func(Recovery) error
}

// Errors of [Recover].
var (
	ErrNotInCluster = errors.New("node: the directory is that of no cluster's node; there is nothing to recover")
	ErrSameCluster  = errors.New("node: a cluster goes on from one of its nodes under another name alone, so that the others are refused")
	ErrInstalling   = errors.New("node: a snapshot was being installed; another directory is needed")
)

// Recover makes a stopped node, whose cluster has lost its quorum for good, the only voter of a new cluster
// with all that its log holds. This is outside of Raft: what the majority had acknowledged without this
// node is lost. The old members are refused by the new cluster's number; they come back as new nodes, with
// empty directories. The order of the writes leaves, after a crash, the old node or the new one: the identity
// first, for which the new membership is in force at the end of the log, then an entry that tells it to those
// that join, and to snapshots. The history has a new name from there on: what was lost is not in it.
func Recover(cfg RecoverConfig) (r Recovery, err error) {
	if cfg.FS == nil {
		cfg.FS = disk.Real()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	name := path.Join(cfg.Dir, cfg.File)
	if _, err := disk.ReadFile(cfg.FS, name); err != nil {
		return r, fmt.Errorf("%w: %w", ErrNotInCluster, err)
	}
	f, id, found, err := openIdentity(cfg.FS, cfg.Dir, name)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	last := cfg.Log.Last()
	switch {
	case !found:
		return r, ErrNotInCluster
	case id.Cluster == cfg.Cluster:
		return r, ErrSameCluster
	case id.Install != (eventlog.Position{}):
		return r, ErrInstalling
	case last == 0:
		return r, fmt.Errorf("%w: the log is empty", ErrNotInCluster)
	}
	r = Recovery{ID: id.ID, Term: id.Term, Members: id.Membership, Committed: min(id.Commit, last), Last: last}
	if at, err := cfg.Log.Position(last); err == nil {
		r.LastTerm, r.LastTime = at.Term, at.Time
	} else if !errors.Is(err, eventlog.ErrCompacted) { // nothing is in the log behind a snapshot
		return r, err
	}
	if err := cfg.Agree(r); err != nil {
		return r, err
	}
	alone := consensus.Membership{Members: []consensus.Member{{ID: id.ID, Role: consensus.Voter, Incarnation: id.Incarnation, Address: cfg.Address}}, Format: max(id.Membership.Format, id.Format)}
	if alone.Format >= consensus.HistoryFormat { // in an older one, the first start that raises it names it
		alone.History = max(1, rand.Uint64())
	}
	id.Cluster, id.Term, id.Vote = cfg.Cluster, id.Term+1, id.ID
	id.Membership, id.MembershipIndex, id.Commit = alone, last, last
	if err := f.write(id); err != nil {
		return r, err
	}
	return r, cfg.Log.Append(eventlog.Record{
		Index: last + 1, Term: id.Term, Time: max(r.LastTime+1, cfg.Now().UnixNano()), Kind: consensus.KindConfig, Payload: consensus.AppendMembership(nil, alone),
	})
}

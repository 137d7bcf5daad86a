package lithair

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
)

// checkRestored refuses a directory that was restored from a backup of this very cluster and begins here: see backup.RestoredOf.
func (a *App) checkRestored() error {
	of, err := backup.RestoredOf(a.cfg.FS, a.cfg.Dir)
	if err != nil || of != clusterNumber(a.cfg.Cluster) {
		return err
	}
	if _, err := disk.ReadFile(a.cfg.FS, path.Join(a.cfg.Dir, raftFile)); !errors.Is(err, fs.ErrNotExist) {
		return err // it has begun before there was this rule, or it is not known
	}
	return fmt.Errorf("cluster: what was restored comes from a cluster called %s, whose old members would take this node for one of theirs: start it under another -cluster name, without -peers and -join, and let the others join it with empty directories", a.cfg.Cluster)
}

// RecoverConfig says of which data directory a new cluster is made. Dir, Cluster, Address and Agree
// are required.
type RecoverConfig struct {
	Dir     string // of a node that does not run
	Cluster string // name of the new cluster; not that of the old one
	Address string // at which other nodes will find this one, HOST:PORT
	FS      disk.FS
	Keys    eventlog.KeyProvider // of a directory that is encrypted
	// Agree is told what is known before anything is changed; its error ends RecoverCluster,
	// and nothing was changed.
	Agree func(Recovery) error
}

// Recovery is what is known of a cluster that has lost its quorum, on one of its nodes. Entries up to
// Last are kept, whether they were committed or not; what the others acknowledged behind Last is lost. Of several
// directories, the one with the highest LastTerm, and of these the highest Last, has the most.
type Recovery struct {
	Node      uint64    `json:"node"`
	Cluster   string    `json:"cluster"` // the new one
	Term      uint64    `json:"term"`
	Members   []uint64  `json:"members"`   // of the old one
	Committed uint64    `json:"committed"` // log index known to be committed
	Last      uint64    `json:"last"`      // log index of the last entry
	LastTerm  uint64    `json:"last_term"` // 0: the log holds nothing behind its snapshot
	LastTime  time.Time `json:"last_time"`
}

// RecoverCluster makes a node that does not run, and whose cluster has lost its quorum for good, the only voter of a
// new cluster. It is the last resort: see [Recovery] for what may be lost. The old members are refused by the
// new cluster, and their directories by its name; they join as new nodes with empty directories. What was known is
// written down in the directory as recovery-INDEX.json.
//
// Errors: node.ErrNotInCluster, node.ErrSameCluster, node.ErrInstalling; *disk.LockedError while the application runs; Agree's.
func RecoverCluster(cfg RecoverConfig) (r Recovery, err error) {
	if cfg.FS == nil {
		cfg.FS = disk.Real()
	}
	if cfg.Cluster == "" || cfg.Address == "" || len(cfg.Address) > consensus.MaxAddressBytes || cfg.Agree == nil {
		return r, fmt.Errorf("lithair: RecoverConfig: Cluster, Address, of at most %d bytes, and Agree are required", consensus.MaxAddressBytes)
	}
	if err := backup.Finish(cfg.FS, cfg.Dir); err != nil {
		return r, err
	}
	at := cfg.Dir + "/log"
	if _, err := cfg.FS.List(at); err != nil {
		return r, fmt.Errorf("%w: %w", node.ErrNotInCluster, err)
	}
	log, err := eventlog.Open(eventlog.Config{Dir: at, FS: cfg.FS, Keys: cfg.Keys})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	_, err = node.Recover(node.RecoverConfig{Log: log, FS: cfg.FS, Dir: cfg.Dir, File: raftFile, Cluster: clusterNumber(cfg.Cluster), Address: cfg.Address,
		Agree: func(known node.Recovery) error {
			r = Recovery{Node: uint64(known.ID), Cluster: cfg.Cluster, Term: known.Term, Committed: known.Committed, Last: known.Last, LastTerm: known.LastTerm, LastTime: time.Unix(0, known.LastTime).UTC()}
			for _, m := range known.Members.Members {
				r.Members = append(r.Members, uint64(m.ID))
			}
			if err := cfg.Agree(r); err != nil {
				return err
			}
			b, err := jsonx.Marshal(r)
			if err != nil {
				return err
			}
			return disk.WriteFileAtomic(cfg.FS, path.Join(cfg.Dir, fmt.Sprintf("recovery-%d.json", r.Last)), append(b, '\n'))
		}})
	return r, err
}

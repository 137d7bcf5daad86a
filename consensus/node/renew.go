package node

import (
	"errors"
	"fmt"
	"path"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// Errors of Renew.
var (
	// ErrNoMember: the file holds no member of a cluster.
	ErrNoMember = errors.New("node: this is no member of a cluster")
	// ErrNeeded: without what this node has, the others are no majority.
	ErrNeeded = errors.New("node: the other voters are no majority without this node: what it has is needed")
)

// Renew makes a new incarnation of a node that does not run, so that its log and state can be
// removed: nothing that it has promised counts any more, and the cluster takes it in again, as
// a learner that is fed with all it needs and becomes a voter when it has caught up. The
// caller removes log and state afterwards, not before. It may be repeated.
//
// incarnation is drawn by chance and not 0.
//
// Errors: [ErrNoMember], [ErrNeeded], those of the disk.
func Renew(fs disk.FS, dir, file string, incarnation uint64) (err error) {
	if err := renew(fs, dir, file, incarnation, eventlog.Position{}, eventlog.Position{}, consensus.Membership{}); err != nil {
		return err
	}
	return forgetFence(fs, dir, file)
}

// renew is Renew of a node that keeps a snapshot, held, and whose log is to begin behind install, which
// is that snapshot's place or none. now is who the members are; without any, whom the file names.
func renew(fs disk.FS, dir, file string, incarnation uint64, held, install eventlog.Position, now consensus.Membership) (err error) {
	name := path.Join(dir, file)
	if _, err := disk.ReadFile(fs, name); err != nil {
		return fmt.Errorf("%w: %w", ErrNoMember, err)
	}
	f, id, found, err := openIdentity(fs, dir, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if !found || len(id.Membership.Members) == 0 {
		return ErrNoMember
	}
	if len(now.Members) == 0 {
		now = id.Membership
	}
	if voters, others := voters(now, id.ID); others < voters/2+1 {
		return ErrNeeded
	}
	return f.write(Identity{Group: id.Group, Cluster: id.Cluster, ID: id.ID, Incarnation: incarnation, Term: id.Term, Vote: id.Vote, Format: id.Format, Membership: id.Membership,
		MembershipIndex: min(id.MembershipIndex, held.Index), Install: install})
}

// voters counts them, and those of them that are not the node of that number.
func voters(m consensus.Membership, id consensus.NodeID) (all, others int) {
	for _, x := range m.Members {
		if x.Role == consensus.Learner {
			continue
		}
		if all++; x.ID != id {
			others++
		}
	}
	return all, others
}

package node

import (
	"fmt"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
)

// A snapshot of the leader takes the place of log and state in these steps, each durable before
// the next:
//
//  1. its bytes are all there, and have been checked (receive.go);
//  2. the identity says which snapshot is about to be installed;
//  3. the sink makes it its newest one, by a rename;
//  4. the log begins anew behind it;
//  5. the identity holds the membership of the snapshot, its index as committed, and no
//     installation any more;
//  6. the core may speak of it, and the sink shows the new state.
//
// A restart that finds an installation in the identity looks at what the sink holds. If that is
// the snapshot, steps 4 and 5 are done (again); if not, step 3 never came to its end, and
// the old state stands, whole.

// install does steps 2 to 4 for a Ready; installed follows when the log has done its part.
func (n *Node) install(number uint64, s consensus.Snapshot) error {
	at := n.arriving.at
	n.identity.Install = at
	if err := n.file.write(n.identity); err != nil {
		return fmt.Errorf("node: writing the identity: %w", err)
	}
	if err := n.snaps.AdoptIncoming(); err != nil {
		return fmt.Errorf("node: taking a snapshot over: %w", err)
	}
	n.tail, n.arriving = s.Index, nil
	n.log.ResetAsync(at, func(err error) { n.installed(number, s, at, err) })
	return nil
}

// installed is step 5, and lets go of what waits for it. The log calls it.
func (n *Node) installed(number uint64, s consensus.Snapshot, at eventlog.Position, err error) {
	n.mu.Lock()
	defer n.leave()
	n.awaitKept()
	if n.dead != nil {
		return
	}
	if err == nil {
		n.settleInstall(at, s.Membership)
		err = n.file.write(n.identity)
	}
	if err != nil {
		n.die(fmt.Errorf("node: installing the snapshot at %d: %w", s.Index, err))
		return
	}
	n.base, n.reported, n.installs = at, s.Index, n.installs+1
	n.out = append(n.out, call{installed: true})
	n.applied = s.Index
	n.core.Applied(s.Index)
	if n.cfg.Transport != nil {
		n.cfg.Transport.Members(n.core.Around())
	}
	n.cfg.Logger.Info("a snapshot of the leader has taken the place of log and state", "index", s.Index, "term", s.Term, "bytes", s.Size)
	n.wroteOne(number)
	n.settle()
	n.pump()
}

// settleInstall notes in the identity that the snapshot at a place is installed.
func (n *Node) settleInstall(at eventlog.Position, m consensus.Membership) {
	n.identity.Install = eventlog.Position{}
	n.identity.Membership, n.identity.MembershipIndex = m, at.Index
	n.identity.Commit = max(n.identity.Commit, at.Index)
	n.configs = []consensus.ConfigAt{{Index: at.Index, Membership: m}}
	n.history.Store(m.History)
}

// finishInstall goes on with an installation that a crash has interrupted.
func (n *Node) finishInstall(held eventlog.Position) error {
	at := n.identity.Install
	switch {
	case at == (eventlog.Position{}):
		return nil
	case held != at || n.snaps == nil:
		n.cfg.Logger.Warn("a snapshot of the leader was not installed before this node stopped; the state before stands", "index", at.Index)
		n.identity.Install = eventlog.Position{}
		return n.file.write(n.identity)
	}
	m, err := n.heldMembership(at)
	if err != nil {
		return fmt.Errorf("node: the snapshot at %d: %w", at.Index, err)
	}
	if !n.log.Begun(at) {
		if err := n.log.Reset(at); err != nil {
			return fmt.Errorf("node: installing the snapshot at %d: %w", at.Index, err)
		}
	}
	n.settleInstall(at, m)
	n.cfg.Logger.Info("the installation of a snapshot of the leader was finished", "index", at.Index)
	return n.file.write(n.identity)
}

// heldMembership is that of the snapshot which stands at a place. One that was written before this node was in a cluster
// names none; the identity may.
func (n *Node) heldMembership(at eventlog.Position) (consensus.Membership, error) {
	if note := n.snaps.Note(); len(note) > 0 || n.identity.MembershipIndex > at.Index {
		return consensus.ParseMembership(note)
	}
	return n.identity.Membership, nil
}

// Position returns the position behind a committed entry, for a snapshot.
func (n *Node) Position(index uint64) (eventlog.Position, error) {
	n.mu.Lock()
	base := n.base
	n.mu.Unlock()
	if index == base.Index {
		return base, nil // the log begins behind it
	}
	at, err := n.log.Position(index)
	return at, n.suspect(err)
}

// maxConfigs bounds how many memberships of the past are known: snapshots are written of the
// newest state, and need none that is old.
const maxConfigs = 64

// noteConfig keeps a committed membership for snapshots.
func (n *Node) noteConfig(index uint64, m consensus.Membership) {
	for k := len(n.configs); k > 0 && n.configs[k-1].Index >= index; k-- {
		n.configs = n.configs[:k-1] // it is reported once more, behind a restart
	}
	if len(n.configs) == maxConfigs {
		n.configs = append(n.configs[:0], n.configs[1:]...)
	}
	n.configs = append(n.configs, consensus.ConfigAt{Index: index, Membership: m})
	n.history.Store(m.History)
}

// Note returns what a snapshot of the state behind a committed entry is to carry besides its
// place: the membership in force there (Raft dissertation §5, §4.1). It is nil where that is
// not known any more; such a snapshot is of use to this node alone.
func (n *Node) Note(index uint64) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.configs) - 1; i >= 0; i-- {
		if c := &n.configs[i]; c.Index <= index && len(c.Membership.Members) > 0 {
			return consensus.AppendMembership(nil, c.Membership)
		}
	}
	return nil
}

// firstConfig is the membership that was in force at what the sink holds, if that is known.
func (n *Node) firstConfig(held eventlog.Position) error {
	n.configs = nil
	var note []byte
	if n.snaps != nil {
		note = n.snaps.Note()
	}
	switch {
	case len(note) > 0:
		m, err := consensus.ParseMembership(note)
		if err != nil {
			return fmt.Errorf("node: the snapshot at %d: %w", held.Index, err)
		}
		if err := n.readable(m.Format); err != nil {
			return err
		}
		n.noteConfig(held.Index, m)
	case n.identity.MembershipIndex <= held.Index:
		n.noteConfig(n.identity.MembershipIndex, n.identity.Membership)
	}
	return nil
}

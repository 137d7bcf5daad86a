package node

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
)

// pump does what the core wants, until it wants nothing more. n.mu is held, and let go of while
// something is handed to log and network: others may meanwhile tell the core something, which
// whoever is at it then does as well, so that what comes at once goes out together. Nothing in
// here blocks but the write of the identity, when term, vote or membership change, without the lock; and an installation,
// which has it.
func (n *Node) pump() {
	if n.pumping || n.ended {
		return
	}
	n.pumping = true
	n.noteApplied()
	n.offerArrived()
	for n.gatherRest(); n.refused == nil && n.dead == nil && !n.waiting && n.core.HasReady(); n.gatherRest() {
		rd, err := n.core.Ready()
		if err != nil {
			n.die(fmt.Errorf("node: reading the log: %w", err))
			break
		}
		n.writes = append(n.writes, write{number: rd.Number})
		if err := n.keep(&rd); err != nil {
			n.die(fmt.Errorf("node: writing the identity: %w", err))
		}
		if n.dead != nil || n.ended {
			break
		}
		if len(rd.Entries) == 0 && rd.Install == nil {
			n.wroteOne(rd.Number)
		}
		if rd.Install != nil {
			if err := n.install(rd.Number, *rd.Install); err != nil {
				n.die(err)
				break
			}
		}
		n.report(rd.Committed)
		for _, s := range rd.Reads {
			c := call{barrier: true, number: s.Index, ticket: s.ID}
			if s.Failed {
				c.number, c.cause = 0, ErrNoLeader
			}
			n.out = append(n.out, c)
		}
		n.feed(rd.Chunks)
		n.receive(rd.Writes)
		n.handOver(&rd)
		n.settle()
		n.watchLeadership()
		n.offerArrived()
	}
	n.pumping = false
	n.watchLeadership()
	n.tellLater()
}

// gather lets others propose, too, before what was proposed goes out, where several did last
// time: they were woken together, and one message and one sync for all cost as much as for
// one. It goes on while any come, up to as many as were woken, or as are worth a message. When
// many have, the disks had better begin. n.mu is held, but not meanwhile.
func (n *Node) gather() {
	switch {
	case n.gathering:
		if n.gathered++; n.gathered == maxGathered {
			n.gathering, n.pumping = false, false
		}
		return
	case n.pumping || n.committed < 2:
		return
	}
	n.pumping, n.gathering, n.gathered = true, true, 1
	for had := 0; n.gathering && n.gathered > had && n.gathered < min(n.committed, worthSending); {
		had = n.gathered
		n.mu.Unlock()
		runtime.Gosched()
		n.mu.Lock()
	}
	if n.gathering {
		n.gathering, n.pumping = false, false
	}
}

// gatherRest does the same between two Readies, while the first is on its way: whoever pumps comes back from handing it over
// when one more has proposed, and would hand that over alone. Single entries are then committed alone, whose proposer is
// woken alone, and so it goes on: each costs two messages and their answers. n.mu is held, but not meanwhile.
func (n *Node) gatherRest() {
	for n.epoch != 0 {
		last := n.core.Last()
		if last <= n.tail || last-n.tail >= min(last-n.reported, worthSending) {
			return // there is nothing to send, or nobody else who waits, or it is enough
		}
		n.mu.Unlock()
		runtime.Gosched()
		n.mu.Lock()
		if n.core.Last() == last {
			return
		}
	}
}

// worthSending is so many proposals that to wait for more saves little and keeps disks idle. Fewer split those who were
// woken together into parts that take turns, each with syncs of its own.
const worthSending = 128

// maxGathered proposals go out together at most: while disks and peers are at them, the next
// are made.
const maxGathered = 256

// tellAfter is how long word of a commit waits for entries to go with. They mostly come:
// who waited for the commit goes on with something else. A message of its own would
// cost as much as the entries did, and an answer.
const tellAfter = 500 * time.Microsecond

// tellLater sees to it that followers hear of a commit though no entries follow. n.mu is held.
func (n *Node) tellLater() {
	if told, untold := n.core.Untold(); untold && !n.telling && !n.cfg.Manual {
		n.toldThen, n.telling = told, true
		n.teller.Reset(tellAfter)
	}
}

// tellLate tells followers of a commit, unless word of it has gone with something else.
func (n *Node) tellLate() {
	n.mu.Lock()
	defer n.leave()
	n.telling = false
	if n.closed || n.dead != nil {
		return
	}
	if told, untold := n.core.Untold(); untold && told == n.toldThen {
		n.core.TellCommit()
	}
	n.pump()
}

// handOver gives entries to the log and messages to the network; n.mu is held, but not
// meanwhile.
func (n *Node) handOver(rd *consensus.Ready) {
	rd.Messages = n.holdWant(rd.Messages)
	if len(rd.Entries) == 0 && len(rd.Messages) == 0 {
		return
	}
	n.attach(rd.Messages)
	n.noteRound(rd.Messages)
	replaces := false
	if k := len(rd.Entries); k > 0 {
		replaces = rd.Entries[0].Index <= n.tail
		n.tail = rd.Entries[k-1].Index
		n.enqueued = n.writesHere
	}
	here := n.writesHere
	n.mu.Unlock()
	defer n.mu.Lock()
	if len(rd.Messages) > 0 && n.cfg.Transport != nil {
		n.cfg.Transport.Send(rd.Messages) // first: others need longer for them
	}
	if len(rd.Entries) > 0 {
		n.append(rd.Number, rd.Entries, replaces, here)
	}
}

// keep makes durable what the node must find again, before anything that speaks of it. n.mu is held, but not meanwhile:
// on a slow disk reads, calls for the status, and a leader's clock go on. What others tell the core may bring a newer
// term; it is kept, and spoken of, with the next Ready.
func (n *Node) keep(rd *consensus.Ready) error {
	changed := false
	if rd.HardState != nil {
		n.identity.Term, n.identity.Vote, n.identity.Format, changed = rd.HardState.Term, rd.HardState.Vote, rd.HardState.Format, true
	}
	for i := range rd.Committed {
		if e := &rd.Committed[i]; e.Kind == consensus.KindConfig {
			m, err := consensus.ParseMembership(e.Data)
			if err != nil {
				return err
			}
			n.identity.Membership, n.identity.MembershipIndex, changed = m, e.Index, true
			n.noteConfig(e.Index, m)
		}
	}
	if !changed || n.file == nil {
		return nil
	}
	// Not rd.Commit: in the places up to there the disk may still hold other entries, which a
	// restart would take for committed. What was reported is durable here.
	n.identity.Commit = n.reported
	if n.cfg.Transport != nil {
		n.cfg.Transport.Members(n.core.Around())
	}
	id := n.identity
	n.keeping = true
	n.mu.Unlock()
	err := n.file.write(id)
	n.mu.Lock()
	n.keeping = false
	n.changed.Broadcast()
	return err
}

// awaitKept waits until nobody writes the identity. n.mu is held, but not meanwhile.
func (n *Node) awaitKept() {
	for n.keeping {
		n.changed.Wait()
	}
}

// append gives entries to the log; those in their place go first. Whoever pumps calls it.
func (n *Node) append(number uint64, entries []consensus.Entry, replaces, here bool) {
	if replaces {
		n.log.TruncateAfterAsync(entries[0].Index-1, func(err error) {
			if err != nil {
				n.wrote(0, err)
			}
		})
	}
	recs := n.records[:0]
	for i := range entries {
		e := &entries[i]
		recs = append(recs, eventlog.Record{Index: e.Index, Term: e.Term, Time: e.Time, Kind: e.Kind, Payload: e.Data, Redacted: e.Redacted})
	}
	wrote := func(err error) { n.wrote(number, err) }
	if here {
		n.log.Enqueue(recs, wrote)
	} else {
		n.log.AppendAsync(recs, wrote)
	}
	clear(recs)
	if n.records = recs; cap(recs) > maxKeptRecords {
		n.records = nil
	}
}

// maxKeptRecords bounds the memory that is kept for handing entries to the log.
const maxKeptRecords = 4096

// wrote is called by the log, in order, when a write has ended.
func (n *Node) wrote(number uint64, err error) {
	n.mu.Lock()
	defer n.leave()
	if n.dead != nil {
		return
	}
	n.wroteOne(number)
	if err != nil && n.refused == nil {
		if !errors.Is(err, eventlog.ErrFull) {
			n.die(err)
			return
		}
		n.refused = err
	}
	n.settle()
	n.pump()
}

// wroteOne notes that the log has dealt with a Ready.
func (n *Node) wroteOne(number uint64) {
	for i := range n.writes {
		if n.writes[i].number == number {
			n.writes[i].done = true
			break
		}
	}
}

// settle tells the core what is durable, in order, and takes refused writes back once none
// is under way any more.
func (n *Node) settle() {
	k := 0
	for k < len(n.writes) && n.writes[k].done {
		k++
	}
	switch {
	case k == 0:
		return
	case n.refused == nil:
		n.core.Persisted(n.writes[k-1].number)
		n.writes = n.writes[:copy(n.writes, n.writes[k:])]
		return
	case k < len(n.writes):
		return // others are still on their way to being refused
	}
	n.takeBack()
}

// takeBack goes on after a full disk. A lone node drops what it could not write, and its
// proposers know that; a member of a cluster tries again with the next tick, and lets
// another lead meanwhile.
func (n *Node) takeBack() {
	cause := n.refused
	n.writes, n.refused = n.writes[:0], nil
	n.tail = n.log.Last()
	if n.core.Refused() {
		n.endEpoch(true, cause)
		if s := n.core.Status(); s.State != consensus.Leader {
			n.waiting = true // even the term's own entry found no room
			n.core.Campaign()
		}
		return
	}
	n.waiting = true
	n.core.HandOver()
}

// report gives committed entries to the sink.
func (n *Node) report(entries []consensus.Entry) {
	if len(entries) == 0 {
		return
	}
	recs := make([]eventlog.Record, len(entries))
	for i := range entries {
		e := &entries[i]
		recs[i] = eventlog.Record{Index: e.Index, Term: e.Term, Time: e.Time, Kind: e.Kind, Payload: e.Data, Redacted: e.Redacted}
	}
	n.reported, n.committed = recs[len(recs)-1].Index, len(recs)
	n.out = append(n.out, call{records: recs})
	n.noteApplied()
	k := 0
	for k < len(n.strong) && n.strong[k].index <= n.reported {
		n.out = append(n.out, call{barrier: true, number: n.strong[k].index, ticket: n.strong[k].ticket})
		k++
	}
	n.strong = n.strong[k:]
}

// noteApplied tells the core how far the sink is with what was reported. Where it is behind, the next tick asks again, if nothing else
// does before. n.mu is held.
func (n *Node) noteApplied() {
	if n.applied == n.reported {
		return
	}
	n.applied = n.reported
	if n.applier != nil {
		n.applied = min(n.reported, n.applier.Applied())
	}
	n.core.Applied(n.applied)
}

// watchLeadership begins and ends epochs: one begins when the entry that opened the term has
// been reported, and with it everything of earlier leaders.
func (n *Node) watchLeadership() {
	if n.dead != nil {
		return
	}
	leads, ready, term, start := n.core.Leadership()
	if len(n.strong) > 0 && (!leads || term != n.strong[0].term) {
		n.failStrong() // another leader's entries may take their places; the epoch need not have begun
	}
	if n.epoch != 0 && (!leads || term != n.term) {
		n.endEpoch(false, ErrDeposed)
	}
	if n.epoch == 0 && ready && n.reported >= start {
		n.epochs++
		n.epoch, n.term = n.epochs, term
		n.out = append(n.out, call{leading: true, number: n.epoch})
		n.changed.Broadcast()
	}
}

// failStrong ends reads whose entries may never be committed.
func (n *Node) failStrong() {
	for _, s := range n.strong {
		n.out = append(n.out, call{barrier: true, ticket: s.ticket, cause: ErrNoLeader})
	}
	n.strong = nil
}

func (n *Node) endEpoch(known bool, cause error) {
	if n.epoch != 0 {
		n.out = append(n.out, call{lost: true, number: n.epoch, known: known, cause: cause})
	}
	n.epoch = 0
	n.failStrong()
}

// die ends the node's part: what its disk holds is not known, so it must not say anything more.
func (n *Node) die(cause error) {
	n.dead = cause
	if err := n.log.Suspect(cause); err != nil { // so that the next start finds the damage
		n.cfg.Logger.Warn("an index file could not be removed", "error", err)
	}
	n.endEpoch(false, cause)
	n.changed.Broadcast()
}

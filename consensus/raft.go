package consensus

import "errors"

// State is what a replica does in the current term.
type State uint8

// The states. A learner is a follower, too.
const (
	Follower State = iota
	PreCandidate
	Candidate
	Leader
)

// String returns the state's name.
func (s State) String() string {
	return [...]string{"follower", "pre-candidate", "candidate", "leader"}[s]
}

// Replica is one member's part of one group. It is a plain machine: it does nothing by itself,
// and may be called by one goroutine at a time.
type Replica struct {
	cfg    Config
	chance chance
	log    *raftLog

	term   uint64
	vote   NodeID
	format uint64 // promised
	role   State
	lead   NodeID // who leads this term, as far as known

	elapsed int // ticks: followers since they heard of a leader, leaders since the last check of the quorum
	timeout int // ticks at which a follower stands
	undone  int // elections since a leader was known that were not decided in time, up to maxUndone
	beat    int // leader: ticks since the last heartbeat

	// Follower.
	verified   uint64 // the log agrees with this term's leader up to here
	seq        uint64 // highest of this leader's messages; leader: of its own
	owesAck    bool
	leaderGone bool   // the caller says that the leader's process is dead
	fenced     bool   // the caller says that what it makes of the log is wrong
	promise    int    // ticks for which a lease may rest on this replica's answers
	unread     uint64 // format of the leader's log that this replica does not read; 0: it does
	incoming   *incoming
	forwarded  []forwarded // reads on their way to the leader

	// Candidate, pre-candidate.
	votes      map[NodeID]bool
	byTransfer bool

	// Leader.
	peers       map[NodeID]*progress
	termStart   uint64 // index of the entry that opened the term
	uncommitted int    // bytes
	sizes       []flight
	asked       []read // reads that wait for a quorum's answer, by seq
	early       []read // reads that wait for the first commit of the term
	beatNow     bool
	tellNow     bool // followers are told of the commit by a message of its own
	transferee  NodeID
	transferFor int    // ticks
	wanted      uint64 // format that members are asked to promise
	raisedAt    uint64 // index of an entry of this leader that changes the format alone: the quorums stay
	gaveAway    bool   // somebody was told to stand; voters do not wait with that one

	// For the caller.
	number     uint64
	persisted  uint64
	hardNumber uint64 // the Ready that holds the newest term and vote
	install    *Snapshot
	messages   []Message
	held       []held
	reads      []ReadState
	chunks     []ChunkRead
	writes     []ChunkWrite
}

// New returns a replica that goes on from what its disk holds.
func New(cfg Config, r Restart) (*Replica, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if err := errors.Join(r.check(), cfg.unreadable(&r)); err != nil {
		return nil, err
	}
	p := &Replica{
		cfg: cfg, chance: chance(cfg.Seed), term: r.HardState.Term, vote: r.HardState.Vote, format: r.HardState.Format,
		log: newLog(cfg.Storage, r, cfg.MaxTailBytes, cfg.MaxUnappliedBytes),
	}
	p.spreadTimeout()
	p.elapsed = 0
	if p.term > 0 {
		p.promised() // what it answered before the restart may carry a lease still
		if t := cfg.TickTime; cfg.Promised > 0 {
			p.promise = max(p.promise, int((cfg.Promised-1)/t+1)+1)
		}
	}
	return p, nil
}

// Step takes in a message. Errors are about messages that were not for this replica, or that
// none sends; they change nothing, and the caller may log them.
func (r *Replica) Step(m Message) error {
	switch {
	case m.Group != r.cfg.Group:
		return ErrWrongGroup
	case m.To != r.cfg.ID:
		return ErrWrongNode
	case m.From == 0 || m.From == r.cfg.ID || !m.wellFormed():
		return ErrMalformed
	}
	if m.Term > r.term {
		if r.ignoresVote(m) {
			return nil
		}
		switch {
		case m.Kind == MsgPreVote, m.Kind == MsgPreVoteResp && !m.Reject:
			// Speaks of a term that nobody has begun.
		case m.Kind.fromLeader():
			r.becomeFollower(m.Term, m.From)
		default:
			r.becomeFollower(m.Term, 0)
		}
	}
	if m.Term < r.term && m.Kind != MsgReadIndex {
		r.refuseOld(m)
		return nil
	}
	r.dispatch(m)
	return nil
}

// wellFormed says whether entries follow each other and the rest is there that is relied on.
func (m *Message) wellFormed() bool {
	switch m.Kind {
	case MsgAppend:
		at, term := m.Index, m.LogTerm
		for i := range m.Entries {
			e := &m.Entries[i]
			if e.Index != at+1 || e.Term < term || e.Term > m.Term {
				return false
			}
			if e.Kind == KindConfig {
				if c, err := ParseMembership(e.Data); err != nil || c.Format > max(1, m.Hint) {
					return false
				}
			}
			at, term = e.Index, e.Term
		}
	case MsgSnapshot, MsgChunkWant, MsgChunk:
		if m.Kind == MsgSnapshot && m.Snapshot != nil && m.Snapshot.Membership.Format > max(1, m.Hint) {
			return false
		}
		return m.Snapshot != nil && m.Snapshot.Index > 0 && m.Snapshot.Term <= m.Term && len(m.Snapshot.Membership.Members) > 0 && m.Snapshot.Membership.check() == nil
	}
	// A node that has seen no term yet can only refuse.
	return m.Kind >= MsgPreVote && m.Kind <= MsgTimeoutNow && (m.Term > 0 || m.Reject || m.Kind == MsgReadIndex)
}

// ignoresVote is the leader's stickiness: who hears of a leader takes no part in an election, so
// that a node which was cut off or removed cannot unseat it (§4.2.3, §9.6).
func (r *Replica) ignoresVote(m Message) bool {
	if m.Kind != MsgVote && m.Kind != MsgPreVote || m.Transfer {
		return false
	}
	return r.hearsLeader()
}

func (r *Replica) hearsLeader() bool {
	return r.promise > 0 || r.lead != 0 && r.elapsed < r.cfg.ElectionTicks && !r.leaderGone
}

// promised notes that a leader may count on this replica's vote staying away from others, and from
// itself, for an election timeout (§6.4.1), whatever term either has by then, and over restarts.
// The tick that is under way is no whole one, so one more must pass.
func (r *Replica) promised() {
	if r.cfg.LeaseReads {
		r.promise = max(r.promise, r.cfg.ElectionTicks+1) // not shorter than an earlier run said
	}
}

// refuseOld answers messages of an earlier term where silence would leave the sender stuck.
func (r *Replica) refuseOld(m Message) {
	switch m.Kind {
	case MsgAppend, MsgSnapshot, MsgChunk:
		// A leader of the past learns of the present. The answer has no number and says nothing of
		// the log: the same node may lead by now in this term, and what it sent in
		// another one must not confirm a read there, nor move its progress.
		r.send(Message{Kind: MsgAppendResp, To: m.From, Reject: true, Incarnation: r.cfg.Incarnation})
	case MsgPreVote:
		r.send(Message{Kind: MsgPreVoteResp, To: m.From, Reject: true})
	case MsgVote:
		r.send(Message{Kind: MsgVoteResp, To: m.From, Reject: true})
	}
}

func (r *Replica) dispatch(m Message) {
	if m.Kind.fromLeader() && m.Term == r.term {
		must(r.role != Leader, "two leaders in term %d: %d and %d", r.term, uint64(r.cfg.ID), uint64(m.From))
		must(r.lead == 0 || r.lead == m.From, "two leaders in term %d: %d and %d", r.term, uint64(r.lead), uint64(m.From))
		if r.role != Follower || r.lead == 0 {
			r.becomeFollower(r.term, m.From)
		}
		r.elapsed, r.leaderGone = 0, false
		r.promised()
		if (m.Kind == MsgAppend || m.Kind == MsgSnapshot) && !r.readsLeader(m) {
			return
		}
	}
	switch m.Kind {
	case MsgPreVote:
		r.handlePreVote(m)
	case MsgVote:
		r.handleVote(m)
	case MsgPreVoteResp, MsgVoteResp:
		r.handleVoteResp(m)
	case MsgAppend:
		r.handleAppend(m)
	case MsgAppendResp:
		r.handleAppendResp(m)
	case MsgSnapshot:
		r.handleOffer(m)
	case MsgChunkWant:
		r.handleWant(m)
	case MsgChunk:
		r.handleChunk(m)
	case MsgReadIndex:
		r.handleReadIndex(m)
	case MsgReadIndexResp:
		r.handleReadIndexResp(m)
	case MsgTimeoutNow:
		r.handleTimeoutNow(m)
	}
}

// Tick tells that one tick of time has passed.
func (r *Replica) Tick() {
	r.elapsed++
	r.promise = max(0, r.promise-1)
	if r.role == Leader {
		r.tickLeader()
		return
	}
	r.expireForwarded()
	if r.incoming != nil {
		r.incoming.since++
		r.incoming.quiet++
	}
	if r.elapsed >= r.timeout && r.promise == 0 && r.mayStand() {
		r.stand(false)
	} else if r.elapsed >= r.timeout {
		r.elapsed = r.timeout // it must not count as hearing a leader, nor overflow
	}
}

// setHard changes term and vote together.
func (r *Replica) setHard(term uint64, vote NodeID) {
	must(term > r.term || term == r.term && (r.vote == 0 || r.vote == vote), "vote in term %d changes from %d to %d", term, uint64(r.vote), uint64(vote))
	if term != r.term || vote != r.vote {
		r.term, r.vote, r.hardNumber = term, vote, r.number+1
	}
}

// becomeFollower follows lead, 0 when unknown. In the same term the vote stays (§3.4: one for each term).
func (r *Replica) becomeFollower(term uint64, lead NodeID) {
	if r.role == Leader {
		r.stopLeading()
	}
	if term > r.term {
		r.setHard(term, 0)
		r.verified, r.seq, r.owesAck = 0, 0, false
	}
	if lead != r.lead || r.role != Follower {
		r.failForwarded()
	}
	r.role, r.lead, r.votes, r.leaderGone = Follower, lead, nil, false
	r.elapsed = 0
	if lead != 0 {
		r.undone = 0
	}
	r.spreadTimeout()
}

// maxUndone is how often the wait before an election is doubled.
const maxUndone = 4

// spreadTimeout draws the ticks after which this replica stands: between one and two election
// timeouts (§3.4), later for each priority below the highest. Each election that was not decided
// doubles the wait: where disks take an election timeout for a vote, waits that stay as they are
// would end each election before its votes are durable.
func (r *Replica) spreadTimeout() {
	wait := r.cfg.ElectionTicks << r.undone
	r.timeout = wait + r.chance.below(wait)
	c := r.log.config()
	if me, ok := c.Find(r.cfg.ID); ok && me.Priority < c.top {
		r.timeout += r.cfg.ElectionTicks
	}
}

// mayStand says whether this replica could lead: only voters do (§4.2.1), of this incarnation,
// and none whose state is being replaced. A voter that a newer configuration leaves out is
// still needed until that one is committed, for nobody else may have it (§4.2.2).
func (r *Replica) mayStand() bool {
	if r.fenced || r.install != nil || r.log.durable < r.log.before {
		return false
	}
	for i := range r.log.configs {
		if me, ok := r.log.configs[i].Find(r.cfg.ID); ok && me.Role != Learner && me.Incarnation == r.cfg.Incarnation {
			return true
		}
	}
	return false
}

// LeaderLost says that the process of node id is gone: its connection broke and its port
// refuses another. With Config.FastFailover, and if that node leads, this replica
// neither waits for it nor holds others back.
func (r *Replica) LeaderLost(id NodeID) {
	if !r.cfg.FastFailover || r.role == Leader || id == 0 || id != r.lead {
		return
	}
	r.leaderGone = true
	// One after the other, so that two do not split the vote.
	rank := 0
	for _, v := range r.log.config().voters {
		if v == r.cfg.ID {
			break
		}
		if v != id {
			rank++
		}
	}
	r.elapsed = max(0, r.timeout-1-2*rank)
}

// Fence ends the leadership of this replica and has it never stand again: what the caller has made
// of the log is not what others have. The log itself is sound, so it votes and acknowledges.
func (r *Replica) Fence() {
	r.fenced = true
	switch {
	case r.role == Leader:
		r.becomeFollower(r.term, 0)
	case r.role != Follower:
		r.becomeFollower(r.term, r.lead)
	}
}

// Campaign stands for election at once, as if the timeout had passed, unless somebody's lease may
// rest on this replica's vote. Bootstraps of a single voter use it.
func (r *Replica) Campaign() {
	if r.role != Leader && r.mayStand() && (r.promise == 0 || r.log.isOnly(r.cfg.ID)) {
		r.stand(false)
	}
}

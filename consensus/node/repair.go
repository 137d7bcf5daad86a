package node

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// A member of a cluster whose log is damaged makes it whole before it takes part again: as long as it
// is at that it answers nothing of Raft's, so it neither votes, nor leads, nor counts for a quorum.
//
//   - What lies between whole records is fetched from the other members, exactly those records. The chain
//     proves that they are the ones that stood there (eventlog.Mender), committed or not, so afterwards
//     the node is what it was, with all that it has promised.
//   - Where damage reaches to the end, or a truncation was lost, nobody can tell what this node has
//     acknowledged. It becomes another incarnation, which is first of all durable: nothing that it has
//     promised counts any more, so other voters that take part must be a majority: as long as they are not, the repair
//     waits. One that became another incarnation itself is no such voter before it has caught up. Then the log is cut
//     before the damage; what lay behind is kept under another name. The leader takes the node in again as a learner and
//     sends it what is committed.
//   - What nobody has any more and no snapshot here holds cannot be had: [ErrNeedsReseed].
//   - Members may be gone for good. What a majority without this node says that it has not, nobody has: it was not committed,
//     or they have let go of it behind a snapshot, and before anything is cut this node becomes another incarnation. Who the members are now
//     those say that run. Where too few do, nothing is sound to do but wait, or to give up the cluster, see [Waiting].
//
// Members that repair themselves at the same time answer each other from what is whole. A repair
// is stepped like all of this package: Next says what to ask whom, Take takes the answer.

// ErrNeedsReseed: records are damaged here that no other member has any more, or a snapshot and the
// log before it are gone, and the node is needed for a majority.
var ErrNeedsReseed = errors.New("node: the log is damaged, and no other member has the records any more; " +
	"with the process stopped, \"lithair cluster reseed DIR\" removes log and state, and the cluster feeds the node anew")

// ErrAlone: there are no other members that records could come from.
var ErrAlone = errors.New("node: there are no other members to fetch records from")

// RepairConfig says what is to be repaired. All but FS, Note, Logger and Cause are required.
type RepairConfig struct {
	Log         eventlog.Config
	FS          disk.FS // default: the real disk
	Dir, File   string  // of the identity
	Held        eventlog.Position
	Note        []byte // of what is held, see Snapshots.Note; none where it does not say who the members were
	Incarnation uint64 // that the node gets if it must become another; drawn by chance and not 0
	Logger      *slog.Logger

	// Cause is what Start said, where that is an [ErrMissing]: log and snapshots do not make the whole. All of the log is
	// put aside then. An [ErrForeign] is what comes of files that were mixed up, and is left to people, unless a repair was in the
	// middle of cutting the log: then what it holds counts for nothing anyway.
	Cause error
}

// Repaired is what a repair has done.
type Repaired struct {
	Ranges   int                         // damaged at the beginning
	Records  uint64                      // filled in
	From     map[consensus.NodeID]uint64 // records by who sent them; some may have been refused
	Dropped  int                         // ranges that a snapshot holds, and that were given up
	Cut      bool                        // the log ends before the damage, or is empty, and the node is another incarnation
	Renewed  uint64                      // that incarnation
	Kept     uint64                      // last index that is left of a log that was cut
	Finished bool                        // nothing is damaged any more
}

// Repair makes the log of a stopped node whole. It belongs to one goroutine, but for Answer.
type Repair struct {
	cfg    RepairConfig
	id     Identity
	log    *eventlog.Log
	mender *eventlog.Mender
	others []consensus.NodeID

	turn int                                    // whom to ask next
	end  uint64                                 // of the range that is being fetched
	asks consensus.NodeID                       // who answers for it; 0: nobody has yet
	no   map[uint64]map[consensus.NodeID]answer // who has not the range that ends there, and why
	done Repaired

	votes map[consensus.NodeID]bool // others that take part with a vote that counts, as they said last
	mute  map[consensus.NodeID]bool // others that did not answer when they were asked last
	doubt bool                      // one has not since the members were asked for

	replaced bool // a snapshot is being installed: of the log nothing is needed any more
	refill   bool // log and snapshots do not fit together: nothing of the log is kept
}

// BeginRepair opens a damaged log for its repair; Finish, or Close, lets go of it.
//
// Errors: [ErrNoMember], [ErrAlone], [ErrNoIdentity], eventlog.ErrNoChain, Cause itself; those of the disk.
func BeginRepair(cfg RepairConfig) (*Repair, error) {
	if cfg.FS == nil {
		cfg.FS = disk.Real()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	id, err := readIdentity(cfg.FS, cfg.Dir, cfg.File)
	if err != nil {
		return nil, err
	}
	fresh := id.Incarnation != 0 && id.Commit == 0
	if cfg.Cause != nil && (!errors.Is(cfg.Cause, ErrMissing) || errors.Is(cfg.Cause, ErrForeign) && !fresh) {
		return nil, cfg.Cause
	}
	if id.Install == cfg.Held && id.Install != (eventlog.Position{}) {
		return &Repair{cfg: cfg, id: id, replaced: true}, nil
	}
	r := &Repair{cfg: cfg, id: id, no: map[uint64]map[consensus.NodeID]answer{}, votes: map[consensus.NodeID]bool{}, mute: map[consensus.NodeID]bool{}, done: Repaired{From: map[consensus.NodeID]uint64{}}}
	if r.members(id.Membership); len(r.others) == 0 {
		return nil, ErrAlone
	}
	if cfg.Cause != nil {
		if cfg.Held.Index > 0 && len(cfg.Note) == 0 && id.MembershipIndex > cfg.Held.Index { // who the members were there nobody knows
			return nil, errors.Join(cfg.Cause, ErrNeedsReseed)
		}
		r.refill = true
		return r, nil
	}
	salvage := cfg.Log
	salvage.Salvage = true
	if r.log, err = eventlog.Open(salvage); err != nil {
		return nil, err
	}
	if r.mender, err = r.log.Mend(cfg.Held); err != nil {
		return nil, errors.Join(err, r.log.Close())
	}
	for _, d := range r.log.Damaged() {
		r.done.Ranges++
		cfg.Logger.Warn("a range of the log is damaged, and asked for from the other members", "segment", d.Segment, "offset", d.Offset, "first_index", d.First, "last_index", d.Last, "reason", d.Reason)
	}
	return r, nil
}

// readIdentity reads a member's identity.
func readIdentity(fs disk.FS, dir, file string) (id Identity, err error) {
	name := path.Join(dir, file)
	if _, err := disk.ReadFile(fs, name); err != nil {
		return id, fmt.Errorf("%w: %w", ErrNoMember, err)
	}
	f, id, found, err := openIdentity(fs, dir, name)
	if err != nil {
		return id, err
	}
	if !found || len(id.Membership.Members) == 0 {
		err = ErrNoMember
	}
	return id, errors.Join(err, f.close())
}

// members notes who they are.
func (r *Repair) members(m consensus.Membership) {
	r.id.Membership, r.others = m, nil
	for _, x := range m.Members {
		if x.ID != r.id.ID {
			r.others = append(r.others, x.ID)
		}
	}
}

// Members returns the members as far as this node knows them, and where they are. They may become others with each Take.
func (r *Repair) Members() consensus.Membership { return r.id.Membership }

// Answer serves another member from what is whole. It may be called by any goroutine until Finish or
// Close.
func (r *Repair) Answer(q RepairRequest) RepairAnswer {
	switch {
	case q.Group != r.id.Group:
		return RepairAnswer{state: answerLacks}
	case r.replaced, r.refill:
		return RepairAnswer{state: answerGone}
	}
	return answerRepair(r.log, q)
}

// Next says what to ask whom. ok is false when there is nothing more to ask: Finish is next.
//
// Errors: [ErrNeedsReseed]; those of the disk.
func (r *Repair) Next() (q RepairRequest, to consensus.NodeID, ok bool, err error) {
	for !r.replaced && !r.refill {
		first, last, ok, err := r.mender.Want()
		if err != nil {
			return q, 0, false, err
		}
		if !ok {
			break
		}
		if last != r.end {
			r.end, r.asks = last, 0
		}
		if r.asks == 0 && r.doubt {
			if i := slices.IndexFunc(r.others, func(id consensus.NodeID) bool { return r.votes[id] }); i >= 0 {
				return r.askMembers(r.others[i])
			}
		}
		if r.asks == 0 {
			if r.asks = r.choose(); r.asks == 0 || r.nobodyHas() {
				r.asks = 0
				if err := r.nobody(first, last); err != nil {
					return q, 0, false, err
				}
				continue
			}
		}
		return RepairRequest{Group: r.id.Group, First: first, Last: last}, r.asks, true, nil
	}
	if !r.cuts() || r.dispensable() {
		return q, 0, false, nil
	}
	to = r.others[r.turn%len(r.others)]
	r.turn++
	return r.askMembers(to)
}

// askMembers asks a member whether it takes part, and who the members are.
func (r *Repair) askMembers(to consensus.NodeID) (RepairRequest, consensus.NodeID, bool, error) {
	r.end, r.asks, r.doubt = 0, to, false
	return RepairRequest{Group: r.id.Group}, to, true, nil
}

// cuts says whether the repair ends with another incarnation of this node.
func (r *Repair) cuts() bool {
	if r.replaced || r.refill {
		return r.refill
	}
	_, rest := r.mender.Rest()
	return rest
}

// dispensable says whether other voters that take part are a majority without this node, or the members are such that they
// never can be.
func (r *Repair) dispensable() bool {
	all, others := voters(r.id.Membership, r.id.ID)
	return others < all/2+1 || r.run() >= all/2+1
}

// run counts the other voters that take part.
func (r *Repair) run() (n int) {
	for _, id := range r.others {
		if r.votes[id] {
			n++
		}
	}
	return n
}

// nobodyHas says whether a majority without this node, which takes part, has not what the range needs.
func (r *Repair) nobodyHas() bool {
	all, _ := voters(r.id.Membership, r.id.ID)
	n := 0
	for _, id := range r.others {
		if _, no := r.no[r.end][id]; no && r.votes[id] {
			n++
		}
	}
	return n >= all/2+1
}

// Waiting is what a repair that comes to no end waits for.
type Waiting struct {
	Needed, Run int                // voters beside this one that must take part, and those that do
	Mute        []consensus.NodeID // members that did not answer when they were asked last
}

// Waiting says what the repair waits for. Where those that do not answer are gone for good, and fewer than are needed are left, the
// cluster has lost its quorum: a new one can be made of the directory of one that has its log, see [Recover].
func (r *Repair) Waiting() (w Waiting) {
	all, _ := voters(r.id.Membership, r.id.ID)
	w.Needed, w.Run = all/2+1, r.run()
	for _, id := range r.others {
		if r.mute[id] {
			w.Mute = append(w.Mute, id)
		}
	}
	return w
}

// choose returns the next member in turn that has not said that it cannot answer.
func (r *Repair) choose() consensus.NodeID {
	for range r.others {
		id := r.others[r.turn%len(r.others)]
		r.turn++
		if _, no := r.no[r.end][id]; !no {
			return id
		}
	}
	return 0
}

// nobody decides about a range that none of the other members has.
func (r *Repair) nobody(first, last uint64) error {
	dropped, err := r.mender.Drop()
	if err != nil {
		return err
	}
	if dropped {
		r.done.Dropped++
		r.cfg.Logger.Info("a damaged range of the log is held by a snapshot, and no other member has it any more: the log begins behind it", "last_index", last)
		return nil
	}
	for _, why := range r.no[r.end] {
		if why == answerGone {
			return fmt.Errorf("%w (log indexes %d to %d)", ErrNeedsReseed, first, last)
		}
	}
	return r.mender.GiveUp() // it was never committed, or others would have it
}

// Take takes an answer; err says why there is none. A member that cannot be reached is asked again
// later, when the others were.
//
// Errors: those of the disk.
func (r *Repair) Take(from consensus.NodeID, a RepairAnswer, err error) error {
	if from != r.asks {
		return nil
	}
	r.votes[from], r.mute[from] = err == nil && a.Votes, err != nil
	if r.doubt = r.doubt || err != nil; r.end == 0 {
		r.learn(a)
		return nil
	}
	if err != nil || a.state != answerFound || len(a.Records) == 0 {
		switch {
		case err != nil, !a.Runs && a.state != answerGone && a.state != answerFound: // it repairs its own log: later it may have them
		case a.state == answerFound:
			r.cannot(from, answerLacks)
		default:
			r.cannot(from, a.state)
		}
		return r.switchOver()
	}
	err = r.mender.Give(a.Records)
	switch {
	case errors.Is(err, eventlog.ErrNotThese), errors.Is(err, eventlog.ErrOrder):
		r.cfg.Logger.Warn("records of another member are not those that stood in the damaged range", "node", uint64(from), "error", err)
		r.cannot(from, answerOther)
		return r.switchOver()
	case err != nil:
		return err
	}
	r.done.From[from] += uint64(len(a.Records))
	return nil
}

// learn takes in who the members are since this node was stopped.
func (r *Repair) learn(a RepairAnswer) {
	if !a.Votes || len(a.Records) != 1 || a.Records[0].Kind != consensus.KindConfig || a.Records[0].Index <= r.id.MembershipIndex {
		return
	}
	m, err := consensus.ParseMembership(a.Records[0].Payload)
	if err != nil {
		r.cfg.Logger.Warn("what a member says of the members cannot be read", "node", uint64(r.asks), "error", err)
		return
	}
	r.members(m)
	r.id.MembershipIndex = a.Records[0].Index
}

// cannot notes that a member has not what the range needs.
func (r *Repair) cannot(id consensus.NodeID, why answer) {
	if r.no[r.end] == nil {
		r.no[r.end] = map[consensus.NodeID]answer{}
	}
	r.no[r.end][id] = why
}

// switchOver asks somebody else for the range, from its beginning: what two members say must not be
// mixed, or nobody knows which of the two was wrong.
func (r *Repair) switchOver() error {
	r.asks = 0
	return r.mender.Close()
}

// Status returns what has been done so far.
func (r *Repair) Status() Repaired {
	d := r.done
	if r.mender != nil {
		d.Records = r.mender.Mended()
	}
	return d
}

// Close gives up, and lets go of the log; what was filled in stays.
func (r *Repair) Close() error {
	if r.replaced || r.refill {
		return nil
	}
	return errors.Join(r.mender.Close(), r.log.Close())
}

// Finish closes the log, which can be opened then. Where it could not be filled it is cut, and the node is
// another incarnation.
//
// Errors: [ErrNeeded]; those of the disk.
func (r *Repair) Finish() (Repaired, error) {
	d := r.Status()
	switch {
	case r.replaced:
		d.Finished = true
		return d, eventlog.PutAside(r.cfg.Log)
	case r.refill:
		return r.fillAnew(d)
	}
	_, rest := r.mender.Rest()
	if err := r.Close(); err != nil {
		return d, err
	}
	if !rest {
		d.Finished = true
		r.cfg.Logger.Info("the damaged log is whole again", "ranges", d.Ranges, "records", d.Records, "dropped", d.Dropped)
		return d, nil
	}
	if err := renew(r.cfg.FS, r.cfg.Dir, r.cfg.File, r.cfg.Incarnation, r.cfg.Held, eventlog.Position{}, r.id.Membership); err != nil {
		return d, fmt.Errorf("node: the log is damaged up to its end, what this node has acknowledged there is not known: %w", err)
	}
	d.Cut, d.Renewed = true, r.cfg.Incarnation
	p, err := eventlog.PlanRepair(r.cfg.Log)
	switch {
	case errors.Is(err, eventlog.ErrNothingSound):
		err = eventlog.PutAside(r.cfg.Log)
	case err == nil:
		d.Kept = p.Keep
		err = eventlog.Repair(r.cfg.Log, p)
	}
	if err != nil {
		return d, err
	}
	d.Finished = true
	r.cfg.Logger.Warn("the log is damaged up to its end: it was cut there, and this node is another incarnation, which votes when the leader has sent it what is committed", "last_index", d.Kept)
	return d, nil
}

// fillAnew makes the node another incarnation with an empty log: the leader sends it what it lacks. What the log held is
// kept under names that end in ".damaged". A snapshot that is whole, at cfg.Held, stays, and the log is to begin
// behind it.
func (r *Repair) fillAnew(d Repaired) (Repaired, error) {
	c := &r.cfg
	if err := renew(c.FS, c.Dir, c.File, c.Incarnation, c.Held, c.Held, r.id.Membership); err != nil {
		return d, errors.Join(c.Cause, err)
	}
	d.Cut, d.Renewed = true, c.Incarnation
	if err := eventlog.PutAside(c.Log); err != nil {
		return d, err
	}
	d.Finished = true
	c.Logger.Warn("log and snapshots of this node do not make the whole: the log was put aside, and this node is another incarnation, which votes when the leader has sent it what is missing", "cause", c.Cause)
	return d, nil
}

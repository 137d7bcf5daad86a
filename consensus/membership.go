package consensus

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/binenc"
)

// Role is what a member is in a configuration.
type Role uint8

const (
	// Learner receives the log and has no vote (§4.2.1).
	Learner Role = iota
	// Voter has a vote. In a joint configuration: in the old half and in the new one.
	Voter
	// Incoming has a vote in the new half of a joint configuration alone.
	Incoming
	// Outgoing has a vote in the old half alone and leaves with it.
	Outgoing
	// Demoted has a vote in the old half alone and becomes a learner.
	Demoted
)

var roleNames = [...]string{"learner", "voter", "incoming", "outgoing", "demoted"}

// String returns the role's name.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "unknown"
}

// Member is a node in a configuration.
type Member struct {
	ID   NodeID
	Role Role
	// Promote makes a learner a voter as soon as it has caught up.
	Promote bool
	// Priority: voters of the highest one present lead if they can. Leadership elsewhere
	// moves to them once they have caught up.
	Priority uint8
	// Incarnation tells a node from the one of the same id that lost its disk, and with it
	// its promises. Votes and acknowledgements of another incarnation count for nothing.
	Incarnation uint64
	Address     string // for the caller; at most MaxAddressBytes
}

// Limits of a membership.
const (
	MaxMembers      = 1 << 10
	MaxAddressBytes = 255
	// MaxMembershipBytes are what all of it may take, encoded, but for the history, which is 10 bytes at most: whoever keeps a
	// membership has room for that.
	MaxMembershipBytes = 60 << 10
)

// Membership is a configuration: who is in the cluster (§4). It is joint when a member is
// Incoming, Outgoing or Demoted.
type Membership struct {
	Members []Member // by ID, each once
	// Format is the active one, see OldestFormat; zero stands for 1.
	Format uint64
	// History names what the log is: drawn at random by the leader that writes the first membership, or by
	// whoever makes a new cluster of what another has left, and kept from then on. What counts entries or what
	// they hold, as a place in the log does, means nothing in another history. Zero, and that below HistoryFormat: it has no name.
	History uint64
}

// Voters returns a membership of voters with these ids, for a bootstrap.
func Voters(ids ...NodeID) Membership {
	var m Membership
	for _, id := range ids {
		m.Members = append(m.Members, Member{ID: id, Role: Voter})
	}
	slices.SortFunc(m.Members, byID)
	return m
}

func byID(a, b Member) int { return cmp.Compare(a.ID, b.ID) }

// Joint says whether two majorities are needed.
func (m Membership) Joint() bool {
	return slices.ContainsFunc(m.Members, func(x Member) bool { return x.Role > Voter })
}

// Find returns the member of that id.
func (m Membership) Find(id NodeID) (Member, bool) {
	i, ok := slices.BinarySearchFunc(m.Members, id, func(x Member, id NodeID) int { return cmp.Compare(x.ID, id) })
	if !ok {
		return Member{}, false
	}
	return m.Members[i], true
}

// IsOnly says whether id is the whole cluster. A leader that is being removed is not, though one member is left.
func (m Membership) IsOnly(id NodeID) bool { return len(m.Members) == 1 && m.Members[0].ID == id }

// check returns what is wrong with a membership.
func (m Membership) check() error {
	voters := 0
	for i, x := range m.Members {
		switch {
		case x.ID == 0:
			return errors.New("consensus: a member without an id")
		case i > 0 && m.Members[i-1].ID >= x.ID:
			return fmt.Errorf("consensus: member %d is there twice or out of order", x.ID)
		case x.Role > Demoted:
			return fmt.Errorf("consensus: member %d has role %d", x.ID, x.Role)
		case len(x.Address) > MaxAddressBytes:
			return fmt.Errorf("consensus: address of member %d is longer than %d bytes", x.ID, MaxAddressBytes)
		case x.Role == Voter || x.Role == Incoming:
			voters++
		}
	}
	switch {
	case m.History != 0 && m.Format < HistoryFormat:
		return fmt.Errorf("consensus: a membership of format %d names its history", m.ActiveFormat())
	case len(m.Members) > MaxMembers:
		return fmt.Errorf("consensus: more than %d members", MaxMembers)
	case voters == 0 && len(m.Members) > 0:
		return errors.New("consensus: a membership needs a voter")
	}
	m.History = 0 // it comes to a membership that is there, which must not become too large by it
	if n := len(AppendMembership(nil, m)); n > MaxMembershipBytes {
		return fmt.Errorf("consensus: a membership of %d bytes, the limit is %d: fewer members, or shorter addresses", n, MaxMembershipBytes)
	}
	return nil
}

// AppendMembership appends the encoding of m; numbers are varints in their shortest form:
//
//	version(1: 1 to 3) [format] [history] count { id incarnation role promote priority length address }
func AppendMembership(b []byte, m Membership) []byte {
	switch {
	case m.History != 0:
		b = binenc.AppendUvarint(binenc.AppendUvarint(append(b, historyMembership), m.Format), m.History)
	case m.Format > 1:
		b = binenc.AppendUvarint(append(b, formatMembership), m.Format)
	default:
		b = append(b, plainMembership)
	}
	b = binenc.AppendUvarint(b, uint64(len(m.Members)))
	for _, x := range m.Members {
		promote := uint64(0)
		if x.Promote {
			promote = 1
		}
		for _, v := range [...]uint64{uint64(x.ID), x.Incarnation, uint64(x.Role), promote, uint64(x.Priority)} {
			b = binenc.AppendUvarint(b, v)
		}
		b = append(binenc.AppendUvarint(b, uint64(len(x.Address))), x.Address...)
	}
	return b
}

// Versions of the encoding: releases that read format 1 alone read the plain one alone, and those that read 2 the first two.
const (
	plainMembership   = 1
	formatMembership  = 2
	historyMembership = 3
)

// ParseMembership reads what AppendMembership wrote, all of b.
func ParseMembership(b []byte) (m Membership, err error) {
	r := binenc.NewReader(b)
	switch v := r.Uvarint(); {
	case r.Err() != nil || v < plainMembership || v > historyMembership:
		return m, fmt.Errorf("consensus: not a membership of version %d to %d; a newer release may have written it", plainMembership, historyMembership)
	case v == formatMembership:
		if m.Format = r.Uvarint(); m.Format < formatNamed {
			return m, errors.New("consensus: membership: bad format")
		}
	case v == historyMembership:
		m.Format, m.History = r.Uvarint(), r.Uvarint()
		if m.History == 0 { // of the format, check says it
			return m, errors.New("consensus: membership: a history without a name")
		}
	}
	n, fits := elements(&r, 6)
	if !fits || n > MaxMembers {
		return m, errors.New("consensus: membership: bad count")
	}
	for range n {
		x := Member{ID: NodeID(r.Uvarint()), Incarnation: r.Uvarint()}
		role, promote, priority := r.Uvarint(), r.Uvarint(), r.Uvarint()
		x.Role, x.Promote, x.Priority, x.Address = Role(role), promote == 1, uint8(priority), r.String()
		if role > uint64(Demoted) || promote > 1 || priority > 255 {
			return m, errors.New("consensus: membership: malformed member")
		}
		m.Members = append(m.Members, x)
	}
	switch {
	case r.Err() != nil:
		return Membership{}, fmt.Errorf("consensus: membership: %w", r.Err())
	case r.Len() > 0:
		return Membership{}, errors.New("consensus: membership: bytes behind the last member")
	}
	return m, m.check()
}

// Change is one wish about one member.
type Change struct {
	Remove bool   // the member of this ID leaves; nothing else is read
	Member Member // else it is added, or becomes this; Role is Voter or Learner
}

// after returns the membership that the changes lead to: a joint one if the voters change,
// else the final one at once, for then every quorum stays one.
func (m Membership) after(changes []Change) (Membership, error) {
	if m.Joint() {
		return m, ErrChanging
	}
	next := Membership{Members: slices.Clone(m.Members), Format: m.Format, History: m.History}
	for _, c := range changes {
		i, there := slices.BinarySearchFunc(next.Members, c.Member, byID)
		switch {
		case c.Remove && !there:
			return m, fmt.Errorf("consensus: cannot remove %d: not a member", c.Member.ID)
		case c.Remove && next.Members[i].Role == Learner, c.Remove && next.Members[i].Role == Incoming:
			next.Members = slices.Delete(next.Members, i, i+1)
		case c.Remove:
			next.Members[i].Role = Outgoing
		case c.Member.Role > Voter:
			return m, fmt.Errorf("consensus: member %d can become voter or learner, not %v", c.Member.ID, c.Member.Role)
		case !there:
			next.Members = slices.Insert(next.Members, i, joining(c.Member, Learner))
		case c.Member.Role == Voter && next.Members[i].Incarnation != c.Member.Incarnation:
			return m, fmt.Errorf("consensus: member %d is of another incarnation: it must be a learner first", c.Member.ID)
		default:
			next.Members[i] = joining(c.Member, next.Members[i].Role)
		}
	}
	if slices.Equal(next.Members, m.Members) {
		return m, errors.New("consensus: the change changes nothing")
	}
	return next, next.check()
}

// joining returns x as it is in the joint configuration, given its role before.
func joining(x Member, before Role) Member {
	hadVote := before == Voter || before == Outgoing || before == Demoted
	switch {
	case x.Role == Voter && !hadVote:
		x.Role = Incoming
	case x.Role == Learner && hadVote:
		x.Role = Demoted
	}
	return x
}

// left returns the membership behind a joint one.
func (m Membership) left() Membership {
	next := Membership{Format: m.Format, History: m.History}
	for _, x := range m.Members {
		switch x.Role {
		case Outgoing:
			continue
		case Incoming:
			x.Role, x.Promote = Voter, false
		case Demoted:
			x.Role = Learner
		}
		next.Members = append(next.Members, x)
	}
	return next
}

// config is a membership in the log, with its two halves at hand.
type config struct {
	Membership
	index            uint64
	voters, outgoing []NodeID // outgoing is empty when not joint
	top              uint8    // highest priority among voters
}

func newConfig(index uint64, m Membership) config {
	c := config{Membership: m, index: index}
	joint := m.Joint()
	for _, x := range m.Members {
		if x.Role == Voter || x.Role == Incoming {
			c.voters = append(c.voters, x.ID)
			c.top = max(c.top, x.Priority)
		}
		if joint && (x.Role == Voter || x.Role == Outgoing || x.Role == Demoted) {
			c.outgoing = append(c.outgoing, x.ID)
		}
	}
	return c
}

// votes says whether id is a voter in either half.
func (c *config) votes(id NodeID) bool {
	x, ok := c.Find(id)
	return ok && x.Role != Learner
}

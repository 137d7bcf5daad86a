package node

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// deaf is a sink and a transport that do nothing.
type deaf struct{}

func (deaf) Holds() eventlog.Position            { return eventlog.Position{} }
func (deaf) Replay([]eventlog.Record) error      { return nil }
func (deaf) Committed([]eventlog.Record)         {}
func (deaf) Leading(uint64)                      {}
func (deaf) Lost(uint64, bool, error)            {}
func (deaf) Barrier(ticket, idx uint64, e error) {}
func (deaf) Send([]consensus.Message)            {}
func (deaf) Members(consensus.Membership)        {}

// startMember starts the member of stoppedMember on a disk.
func startMember(t *testing.T, fs *disk.Sim) (*Node, error) {
	t.Helper()
	log, err := eventlog.Open(repairLog(fs, 9))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(Config{Log: log, Sink: deaf{}, Transport: deaf{}, FS: fs, Dir: "data", File: "node", Manual: true, First: Identity{Cluster: 7, ID: 1, Membership: consensus.Voters(1, 2, 3)}})
	if err != nil {
		err = errors.Join(err, log.Close())
	}
	return n, err
}

// TestAnIdentityThatCannotBeRead is not one that is not there: no other is written in its place.
func TestAnIdentityThatCannotBeRead(t *testing.T) {
	sane, _ := stoppedMember(t)
	fs := sane.Crash(0)
	broken := errors.New("input/output error")
	fs.Hook(func(op disk.Op, name string) error {
		if op == disk.OpRead && name == "data/node" {
			return broken
		}
		return nil
	})
	if _, err := startMember(t, fs); !errors.Is(err, broken) {
		t.Errorf("a disk that reads nothing: %v", err)
	}
	fs.Hook(nil)
	if id, err := readIdentity(fs, "data", "node"); err != nil || id.Term != 9 || id.Vote != 2 {
		t.Errorf("the identity is another: %+v, %v", id, err)
	}
}

// TestOnlyVotersCountForACut: what a member says to others that repair their logs. One that has cut its own a moment ago runs, but
// what it had promised is gone: others that lost theirs as well must not do without it and themselves.
func TestOnlyVotersCountForACut(t *testing.T) {
	sane, _ := stoppedMember(t)
	for _, renewed := range []bool{false, true} {
		fs := sane.Crash(0)
		if renewed {
			if err := Renew(fs, "data", "node", 5); err != nil {
				t.Fatal(err)
			}
		}
		n, err := startMember(t, fs)
		if err != nil {
			t.Fatal(err)
		}
		q := RepairRequest{First: 1}
		if a := n.Records(q); !a.Runs || a.Votes == renewed {
			t.Errorf("another incarnation: %v; it runs: %v, votes: %v", renewed, a.Runs, a.Votes)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if a := n.Records(q); a.Runs || a.Votes {
			t.Errorf("closed, and it runs: %v, votes: %v", a.Runs, a.Votes)
		}
	}
}

// TestTheLargestMembershipIsKept: the identity has room for whatever the core lets in.
func TestTheLargestMembershipIsKept(t *testing.T) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	m := consensus.Voters(1)
	for id := consensus.NodeID(2); ; id++ {
		next := consensus.Membership{Members: append(slices.Clone(m.Members), consensus.Member{ID: id, Incarnation: 1 << 63, Address: strings.Repeat("a", consensus.MaxAddressBytes)})}
		if _, err := consensus.ParseMembership(consensus.AppendMembership(nil, next)); err != nil {
			break
		}
		m = next
	}
	f, _, _, err := openIdentity(fs, "data", "data/node")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.write(Identity{Group: 9, ID: 1, Membership: m, Install: eventlog.Position{Index: 1}}), f.close()); err != nil {
		t.Fatal(err)
	}
	if id, err := readIdentity(fs, "data", "node"); err != nil || !slices.Equal(id.Membership.Members, m.Members) {
		t.Errorf("of %d members: %v", len(m.Members), err)
	}
}

// TestAFenceOutlastsAHurriedEnd: a node that is closed before it came to write its fence down does so then.
func TestAFenceOutlastsAHurriedEnd(t *testing.T) {
	sane, _ := stoppedMember(t)
	fs := sane.Crash(0)
	n, err := startMember(t, fs)
	if err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	n.working = true // somebody is at other jobs, for long
	n.marks.own[5] = [16]byte{1}
	n.submit(mark{5, [16]byte{2}})
	n.leave()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err := readFence(fs, "data", "node"); err != nil || e == nil || e.Index != 5 || e.Have != [16]byte{1} {
		t.Errorf("%v, %v", e, err)
	}
}

package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
)

const app = 16 // a kind of the layer above

// event is one call of the sink, as the tests compare them.
type event struct {
	what    string
	records []eventlog.Record
	number  uint64
	known   bool
	err     error
}

// recorder is a sink that keeps what it was told.
type recorder struct {
	holds  eventlog.Position
	events chan event
	replay []eventlog.Record
}

func newRecorder() *recorder { return &recorder{events: make(chan event, 4096)} }

func (r *recorder) Holds() eventlog.Position { return r.holds }

func (r *recorder) Replay(records []eventlog.Record) error {
	for _, rec := range records {
		rec.Payload = bytes.Clone(rec.Payload) // valid during the call only
		r.replay = append(r.replay, rec)
	}
	return nil
}

func (r *recorder) Committed(records []eventlog.Record) {
	r.events <- event{what: "committed", records: records}
}
func (r *recorder) Leading(epoch uint64) { r.events <- event{what: "leading", number: epoch} }
func (r *recorder) Lost(epoch uint64, known bool, cause error) {
	r.events <- event{what: "lost", number: epoch, known: known, err: cause}
}
func (r *recorder) Barrier(ticket, index uint64, err error) {
	r.events <- event{what: fmt.Sprint("barrier ", ticket), number: index, err: err}
}

// one waits for an event.
func (r *recorder) one(t *testing.T) event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("never: an event")
		return event{}
	}
}

func (r *recorder) next(t *testing.T, what string) event {
	t.Helper()
	e := r.one(t)
	if e.what != what {
		t.Fatalf("got %s (%v), want %s", e.what, e.err, what)
	}
	return e
}

func open(t *testing.T, dir string) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(eventlog.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestLeadsAfterReplayAndNoop(t *testing.T) {
	dir := t.TempDir()
	for run := uint64(1); run <= 3; run++ {
		sink := newRecorder()
		n, err := node.Start(node.Config{Log: open(t, dir), Sink: sink})
		if err != nil {
			t.Fatal(err)
		}
		if want := int(run-1) * 11; len(sink.replay) != want {
			t.Fatalf("run %d replayed %d records, want %d", run, len(sink.replay), want)
		}
		noop := sink.next(t, "committed").records[0]
		opens := consensus.KindNoop
		if run == 1 {
			opens = consensus.KindConfig
		}
		if noop.Kind != opens || noop.Term != run {
			t.Fatalf("run %d opened with kind %d, term %d", run, noop.Kind, noop.Term)
		}
		epoch := sink.next(t, "leading").number
		for i := range 10 {
			payload := []byte(fmt.Sprintf("run %d entry %d", run, i))
			if _, err := n.Propose(epoch, app, noop.Time+int64(i)+1, payload); err != nil {
				t.Fatal(err)
			}
		}
		var got []eventlog.Record
		for len(got) < 10 {
			got = append(got, sink.next(t, "committed").records...)
		}
		for i, r := range got {
			if r.Index != noop.Index+uint64(i)+1 || string(r.Payload) != fmt.Sprintf("run %d entry %d", run, i) {
				t.Fatalf("committed %d %q at place %d", r.Index, r.Payload, i)
			}
		}
		read, err := n.Read(noop.Index, 1<<20)
		if err != nil || len(read) != 11 {
			t.Fatalf("read %d records, %v", len(read), err)
		}
		n.Barrier(2, 7)
		if b := sink.next(t, "barrier 7"); b.number != got[9].Index || b.err != nil {
			t.Fatalf("barrier at %d, %v", b.number, b.err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProposeIsRefused(t *testing.T) {
	sink := newRecorder()
	n, err := node.Start(node.Config{Log: open(t, t.TempDir()), Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(2, app, 1, nil); !errors.Is(err, node.ErrNotLeader) {
		t.Errorf("another epoch: %v", err)
	}
	if _, err := n.Propose(1, consensus.KindNoop, 1, nil); err == nil {
		t.Error("a kind of the node's own was taken")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(1, app, 1, nil); !errors.Is(err, node.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestReplayBeginsBehindWhatIsHeld starts over a log with a sink that has come some way
// by a snapshot, and over logs that do not continue it.
func TestReplayBeginsBehindWhatIsHeld(t *testing.T) {
	dir := t.TempDir()
	sink := newRecorder()
	n, err := node.Start(node.Config{Log: open(t, dir), Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	sink.next(t, "committed")
	for i := range 10 {
		if _, err := n.Propose(1, app, int64(i), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	sink.next(t, "leading")
	for got := 0; got < 10; {
		got += len(sink.next(t, "committed").records)
	}
	at, err := n.Position(6)
	if err != nil || at.Index != 6 || at.Term != 1 || at.Chain == (eventlog.Sum{}) {
		t.Fatalf("position %+v, %v", at, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	foreign, beyond := at, at
	foreign.Chain[0] ^= 1
	beyond.Index = 100
	for name, bad := range map[string]eventlog.Position{"foreign": foreign, "beyond": beyond} {
		log := open(t, dir)
		sink := newRecorder()
		sink.holds = bad
		if n, err := node.Start(node.Config{Log: log, Sink: sink}); err == nil {
			t.Errorf("%s: the log is taken (%v)", name, n.Close())
		} else if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
	sink = newRecorder()
	sink.holds = at
	n, err = node.Start(node.Config{Log: open(t, dir), Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	if len(sink.replay) != 5 || sink.replay[0].Index != 7 {
		t.Fatalf("replayed %d records from %d on, want 5 from 7 on", len(sink.replay), sink.replay[0].Index)
	}
	if noop := sink.next(t, "committed").records[0]; noop.Index != 12 || noop.Term != 2 {
		t.Fatalf("the term is opened by %+v", noop)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLoneNodeBehindMembership: a lone voter's log is committed up to a membership that
// another node must agree to.
func TestLoneNodeBehindMembership(t *testing.T) {
	dir := t.TempDir()
	cfg := func(sink node.Sink) node.Config {
		return node.Config{Log: open(t, dir), Sink: sink, Dir: dir, File: "node", First: node.Identity{Cluster: 1, ID: 1, Membership: consensus.Voters(1)}}
	}
	sink := newRecorder()
	n, err := node.Start(cfg(sink))
	if err != nil {
		t.Fatal(err)
	}
	opens := sink.next(t, "committed").records[0]
	epoch := sink.next(t, "leading").number
	if _, err := n.Propose(epoch, app, opens.Time+1, []byte("agreed")); err != nil {
		t.Fatal(err)
	}
	sink.next(t, "committed")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}

	log := open(t, dir)
	joint := consensus.Membership{Members: []consensus.Member{{ID: 1, Role: consensus.Voter}, {ID: 2, Role: consensus.Incoming}}}
	for i, r := range []eventlog.Record{{Kind: consensus.KindConfig, Payload: consensus.AppendMembership(nil, joint)}, {Kind: app, Payload: []byte("open")}} {
		r.Index, r.Term, r.Time = uint64(3+i), opens.Term, opens.Time+int64(2+i)
		if err := log.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	sink = newRecorder()
	if n, err = node.Start(cfg(sink)); err != nil {
		t.Fatal(err)
	}
	if len(sink.replay) != 2 || string(sink.replay[1].Payload) != "agreed" {
		t.Fatalf("replayed %d entries, of 2 that are committed", len(sink.replay))
	}
	if s := n.Status(); s.Commit != 2 || s.Last != 4 || s.State == consensus.Leader {
		t.Fatalf("%+v", s)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestEntriesBehindSnapshot: what the sink holds is still in the log, for members that are behind.
func TestEntriesBehindSnapshot(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		sink := newRecorder()
		n, err := node.Start(node.Config{Log: open(t, dir), Sink: sink})
		if err != nil {
			t.Fatal(err)
		}
		opens := sink.next(t, "committed").records[0]
		epoch := sink.next(t, "leading").number
		for i := range 4 {
			if _, err := n.Propose(epoch, app, opens.Time+int64(i)+1, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for at := uint64(1); at <= 25; at++ {
		log := open(t, dir)
		pos, err := log.Position(at)
		if err != nil {
			t.Fatal(err)
		}
		sink := newRecorder()
		sink.holds = pos
		n, err := node.Start(node.Config{Log: log, Sink: sink})
		if err != nil {
			t.Fatalf("behind a snapshot at %d: %v", at, err)
		}
		if s := n.Status(); s.First != 1 {
			t.Fatalf("behind a snapshot at %d the log begins at %d", at, s.First)
		}
		for i := uint64(1); i <= 25; i++ {
			if term, ok := n.Term(i); !ok || term != (i-1)/5+1 {
				t.Fatalf("behind a snapshot at %d entry %d is of term %d (%v)", at, i, term, ok)
			}
		}
		if len(sink.replay) != int(log.Last()-at)-1 {
			t.Fatalf("behind a snapshot at %d: %d of %d entries replayed", at, len(sink.replay), log.Last()-at-1)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

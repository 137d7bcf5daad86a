package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

const repairRecords = 60

func repairLog(fs disk.FS, salt uint64) eventlog.Config {
	return eventlog.Config{FS: fs, Dir: "data/log", SegmentBytes: 12 << 10, Manual: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Salt: func() uint64 { salt += 0x9E3779B97F4A7C15; return salt }}
}

// stoppedMember is the disk of a voter of three that was closed, and its log's segments.
func stoppedMember(t *testing.T) (*disk.Sim, []string) {
	t.Helper()
	fs := disk.NewSim(5)
	if err := fs.MkdirAll("data/log"); err != nil {
		t.Fatal(err)
	}
	f, _, _, err := openIdentity(fs, "data", "data/node")
	if err == nil {
		err = errors.Join(f.write(Identity{Cluster: 7, ID: 1, Term: 9, Vote: 2, Membership: consensus.Voters(1, 2, 3), Commit: repairRecords}), f.close())
	}
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(repairLog(fs, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= repairRecords; i++ {
		log.AppendAsync([]eventlog.Record{{Index: i, Term: 1 + i/9, Time: int64(i), Kind: 16, Payload: bytes.Repeat([]byte{byte(i)}, 400)}}, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		w, _ := log.Begin()
		log.End(w, w.Do())
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	segs := slices.DeleteFunc(fs.Files(), func(n string) bool { return !strings.HasSuffix(n, ".seg") })
	return fs.Crash(0), segs
}

// repairAll repairs with what a peer answers.
func repairAll(fs disk.FS, peer func(RepairRequest) RepairAnswer, incarnation uint64) (Repaired, error) {
	r, err := BeginRepair(RepairConfig{Log: repairLog(fs, incarnation), FS: fs, Dir: "data", File: "node", Incarnation: incarnation, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return Repaired{}, err
	}
	for {
		q, to, ok, err := r.Next()
		if err != nil {
			return Repaired{}, errors.Join(err, r.Close())
		}
		if !ok {
			return r.Finish()
		}
		if err := r.Take(to, peer(q), nil); err != nil {
			return Repaired{}, errors.Join(err, r.Close())
		}
	}
}

// TestRepairCrash loses power before each call that changes the disk while a log is repaired, with damage in the middle, at the
// end, and both. What is found then is damaged still, or whole with all that was promised, or cut and another
// incarnation: never a log that is shorter and votes. And the next try comes to an end.
func TestRepairCrash(t *testing.T) {
	sane, segs := stoppedMember(t)
	peer, err := eventlog.Open(repairLog(sane.Crash(0), 3))
	if err != nil {
		t.Fatal(err)
	}
	answers := func(q RepairRequest) RepairAnswer {
		a := answerRepair(peer, q)
		a.Runs, a.Votes = true, true
		return a
	}
	points, cuts, wholes := 0, 0, 0
	const frame = 48 + 33 + 400 + 32 + 7
	for name, spoil := range map[string]func(fs *disk.Sim) error{
		"the middle": func(fs *disk.Sim) error { return fs.Flip(segs[1], 8*(4096+2*frame+100)) },
		"a header":   func(fs *disk.Sim) error { return fs.Flip(segs[1], 8*17) },
		"the end":    func(fs *disk.Sim) error { return fs.Flip(segs[len(segs)-1], 8*17) },
		"both": func(fs *disk.Sim) error {
			return errors.Join(fs.Flip(segs[0], 8*(4096+frame+100)), fs.Flip(segs[len(segs)-1], 8*17))
		},
		"all headers": func(fs *disk.Sim) error {
			for _, s := range segs {
				if err := fs.Flip(s, 8*17); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		for n := 1; ; n++ {
			fs, count := sane.Crash(uint64(n)), 0
			if err := spoil(fs); err != nil {
				t.Fatal(err)
			}
			fs.Hook(func(op disk.Op, _ string) error {
				switch op {
				case disk.OpWrite, disk.OpSync, disk.OpTruncate, disk.OpAllocate, disk.OpRename, disk.OpRemove, disk.OpSyncDir:
					if count++; count == n {
						return disk.ErrPower
					}
				}
				return nil
			})
			_, err := repairAll(fs, answers, 77)
			if err != nil && !errors.Is(err, disk.ErrPower) {
				t.Fatalf("%s, call %d: %v", name, n, err)
			}
			for k := range uint64(5) {
				after := fs.Crash(k)
				where := fmt.Sprintf("%s, call %d, pattern %d", name, n, k)
				last := found(t, where, after)
				for tries := uint64(0); last < 0; tries++ {
					if _, err := repairAll(after, answers, 80+tries); err != nil || tries > 3 {
						t.Fatalf("%s: again, try %d: %v", where, tries, err)
					}
					last = found(t, where, after)
				}
				if points++; last == repairRecords {
					wholes++
				} else {
					cuts++
				}
			}
			if err == nil {
				break
			}
		}
	}
	t.Logf("%d crash points: %d logs whole in the end, %d cut", points, wholes, cuts)
	if points < 200 || cuts == 0 || wholes == 0 {
		t.Error("a case was never met")
	}
}

// found says where a log ends, -1 while it is damaged; it fails where one that lost its end is still what it was.
func found(t *testing.T, where string, fs *disk.Sim) int {
	t.Helper()
	id, err := readIdentity(fs, "data", "node")
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if id.Term != 9 || id.Vote != 2 || id.Cluster != 7 {
		t.Fatalf("%s: the identity is another: %+v", where, id)
	}
	cfg := repairLog(fs, 5)
	cfg.CheckAll = true
	log, err := eventlog.Open(cfg)
	var corrupt *eventlog.CorruptError
	if errors.As(err, &corrupt) {
		return -1
	}
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	last := log.Last()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if last < repairRecords && id.Incarnation == 0 {
		t.Fatalf("%s: the log ends at %d, and the node is what it was", where, last)
	}
	return int(last)
}

// TestRepairOfOthersRecords: members that have other records there, or none any more, are no help: the log is cut, or
// people are asked.
func TestRepairOfOthersRecords(t *testing.T) {
	sane, segs := stoppedMember(t)
	const frame = 48 + 33 + 400 + 32 + 7
	for _, c := range []struct {
		name string
		say  RepairAnswer
		want error
		cut  bool
	}{
		{"gone", RepairAnswer{state: answerGone}, ErrNeedsReseed, false},
		{"not there yet", RepairAnswer{state: answerLacks, Runs: true, Votes: true}, nil, true},
		{"damaged as well", RepairAnswer{state: answerDamaged, Runs: true, Votes: true}, nil, true},
		{"another record", RepairAnswer{Runs: true, Votes: true, Records: []eventlog.Record{{Index: 18, Term: 4, Time: 18, Kind: 16, Payload: []byte("another")}}}, nil, true},
		{"another index", RepairAnswer{Runs: true, Votes: true, Records: []eventlog.Record{{Index: 19}}}, nil, true},
		{"nothing", RepairAnswer{Runs: true, Votes: true}, nil, true},
	} {
		fs := sane.Crash(1)
		if err := fs.Flip(segs[1], 8*(4096+2*frame+100)); err != nil {
			t.Fatal(err)
		}
		done, err := repairAll(fs, func(RepairRequest) RepairAnswer { return c.say }, 5)
		if !errors.Is(err, c.want) || done.Cut != c.cut {
			t.Errorf("%s: %+v, %v", c.name, done, err)
		}
		id, err := readIdentity(fs, "data", "node")
		if err != nil || (id.Incarnation == 5) != c.cut {
			t.Errorf("%s: incarnation %d, %v", c.name, id.Incarnation, err)
		}
	}
}

// TestRepairWaitsForAMajority: a node that has lost the end of its log goes on to be what it was, as long as it does not
// know that others are a majority without it: else all might cut their logs at once.
func TestRepairWaitsForAMajority(t *testing.T) {
	sane, segs := stoppedMember(t)
	fs := sane.Crash(1)
	if err := fs.Flip(segs[len(segs)-1], 8*17); err != nil {
		t.Fatal(err)
	}
	r, err := BeginRepair(RepairConfig{Log: repairLog(fs, 3), FS: fs, Dir: "data", File: "node", Incarnation: 5, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	asked := map[consensus.NodeID]int{}
	for k := range 20 {
		_, to, ok, err := r.Next()
		if err != nil || !ok {
			t.Fatalf("question %d: %v, %v", k, ok, err)
		}
		asked[to]++
		a, failure := RepairAnswer{state: answerLacks, Runs: true, Votes: to == 2}, error(nil) // node 3 became another incarnation a moment ago, or is away
		if to == 3 && k%4 == 1 {
			failure = errors.New("away")
		}
		if err := r.Take(to, a, failure); err != nil {
			t.Fatal(err)
		}
	}
	if asked[2] < 5 || asked[3] < 5 {
		t.Errorf("asked %v", asked)
	}
	for ok := true; ok; {
		var to consensus.NodeID
		if _, to, ok, err = r.Next(); err != nil {
			t.Fatal(err)
		}
		if ok {
			if err := r.Take(to, RepairAnswer{state: answerLacks, Runs: true, Votes: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	done, err := r.Finish()
	if err != nil || !done.Cut || done.Renewed != 5 {
		t.Errorf("%+v, %v", done, err)
	}
}

// spoiled is the disk of stoppedMember with damage in the middle of its log, or at its end, and other members than three.
func spoiled(t *testing.T, middle bool, voters ...consensus.NodeID) *disk.Sim {
	t.Helper()
	sane, segs := stoppedMember(t)
	fs := sane.Crash(1)
	err := fs.Flip(segs[len(segs)-1], 8*17)
	if middle {
		fs = sane.Crash(1)
		err = fs.Flip(segs[1], 8*17)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, id, _, err := openIdentity(fs, "data", "data/node")
	if err == nil {
		id.Membership = consensus.Voters(voters...)
		err = errors.Join(f.write(id), f.close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// ask repairs with what peers answer, and gives up behind so many questions.
func ask(t *testing.T, fs disk.FS, peer func(consensus.NodeID, RepairRequest) (RepairAnswer, error)) (done Repaired, w Waiting, err error) {
	t.Helper()
	r, err := BeginRepair(RepairConfig{Log: repairLog(fs, 3), FS: fs, Dir: "data", File: "node", Incarnation: 5, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		q, to, ok, err := r.Next()
		if err != nil {
			return done, r.Waiting(), errors.Join(err, r.Close())
		}
		if !ok {
			done, err := r.Finish()
			return done, Waiting{}, err
		}
		a, failure := peer(to, q)
		if err := r.Take(to, a, failure); err != nil {
			t.Fatal(err)
		}
	}
	return done, r.Waiting(), errors.Join(errEndless, r.Close())
}

var (
	errEndless = errors.New("no end")
	errAway    = errors.New("away")
)

// TestRepairWithoutMembersThatAreGone: what a majority of the others has not is not waited for until the last one has
// said so, who may be gone for good; as long as there is no such majority it is, and who is missing can be told.
func TestRepairWithoutMembersThatAreGone(t *testing.T) {
	for _, c := range []struct {
		name   string
		middle bool
		votes  consensus.NodeID // up to which number they do
		why    answer
		want   error
	}{
		{"nobody has it", true, 4, answerLacks, nil},
		{"one has let go of it", true, 4, answerGone, ErrNeedsReseed},
		{"one is another incarnation", true, 3, answerLacks, errEndless},
		{"the end", false, 4, answerLacks, nil},
		{"the end, and one is another incarnation", false, 3, answerLacks, errEndless},
	} {
		done, w, err := ask(t, spoiled(t, c.middle, 1, 2, 3, 4, 5), func(to consensus.NodeID, _ RepairRequest) (RepairAnswer, error) {
			if to == 5 {
				return RepairAnswer{}, errAway
			}
			return RepairAnswer{state: c.why, Runs: true, Votes: to <= c.votes}, nil
		})
		if !errors.Is(err, c.want) || err == nil && (!done.Cut || done.Renewed != 5) {
			t.Errorf("%s: %+v, %v", c.name, done, err)
		}
		if errors.Is(err, errEndless) && (w.Needed != 3 || w.Run != 2 || !slices.Equal(w.Mute, []consensus.NodeID{5})) {
			t.Errorf("%s: it waits for %+v", c.name, w)
		}
	}
}

// TestRepairWithTheMembersOfNow: while a node was stopped another member was replaced. Those that run say so.
func TestRepairWithTheMembersOfNow(t *testing.T) {
	sane, _ := stoppedMember(t)
	log, err := eventlog.Open(repairLog(sane, 3))
	if err != nil {
		t.Fatal(err)
	}
	run := func(fs disk.FS, now ...consensus.NodeID) (Repaired, error) {
		done, _, err := ask(t, fs, func(to consensus.NodeID, q RepairRequest) (a RepairAnswer, err error) {
			switch {
			case !slices.Contains(now, to):
				return a, errAway
			case q.First == 0:
				a.Records = []eventlog.Record{{Index: 70, Kind: consensus.KindConfig, Payload: consensus.AppendMembership(nil, consensus.Voters(now...))}}
			case to == 4:
				a = answerRepair(log, q)
			default:
				a.state = answerGone
			}
			a.Runs, a.Votes = true, true
			return a, nil
		})
		return done, err
	}
	if done, err := run(spoiled(t, true, 1, 2, 3), 1, 2, 4); err != nil || done.Cut || done.From[4] == 0 {
		t.Errorf("the middle: %+v, %v", done, err)
	}
	if done, err := run(spoiled(t, false, 1, 2, 3), 1, 2, 4); err != nil || !done.Cut {
		t.Errorf("the end: %+v, %v", done, err)
	}
	if done, err := run(spoiled(t, false, 1, 2, 3), 1, 2); !errors.Is(err, ErrNeeded) {
		t.Errorf("it gives its vote up, and is needed for a majority of two: %+v, %v", done, err)
	}
}

// TestRecordsSaysWhoTheMembersAre in the words that a repair reads.
func TestRecordsSaysWhoTheMembersAre(t *testing.T) {
	fs, _ := stoppedMember(t)
	cfg := repairLog(fs, 3)
	log, err := eventlog.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Start(Config{Log: log, Sink: taker{}, FS: fs, Dir: "data", File: "node", Transport: nowhere{}, Manual: true, Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseRepairAnswer(n.Records(RepairRequest{}).Append(nil))
	if err != nil || !a.Runs || !a.Votes || len(a.Records) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if m, err := consensus.ParseMembership(a.Records[0].Payload); err != nil || len(m.Members) != 3 || a.Records[0].Kind != consensus.KindConfig {
		t.Errorf("%+v, %v", m, err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// taker is a sink that takes what it is given.
type taker struct{ nothing }

func (taker) Replay([]eventlog.Record) error { return nil }

// nothing is a sink that holds nothing.
type nothing struct{ Sink }

func (nothing) Holds() eventlog.Position { return eventlog.Position{} }

// TestALogThatEndsTooEarly is not whole, however it looks: its member knows of more that was committed.
func TestALogThatEndsTooEarly(t *testing.T) {
	fs, _ := stoppedMember(t)
	cfg := repairLog(fs, 3)
	cfg.Manual = false
	log, err := eventlog.Open(cfg)
	if err == nil {
		err = log.TruncateAfter(repairRecords - 5)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Config{Log: log, Sink: nothing{}, FS: fs, Dir: "data", File: "node", Transport: nowhere{}, Manual: true}); !errors.Is(err, ErrMissing) || errors.Is(err, ErrForeign) {
		t.Errorf("it starts: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

// plain is a sink whose snapshot names no members.
type plain struct {
	Sink
	Snapshots
	at eventlog.Position
}

func (s plain) Holds() eventlog.Position { return s.at }
func (plain) Note() []byte               { return nil }

// TestFilledAnewBehindAPlainSnapshot: a snapshot that names no members, as one of a node that was not in a cluster yet, stays
// where the identity knows who they were there; else nothing is changed.
func TestFilledAnewBehindAPlainSnapshot(t *testing.T) {
	for _, known := range []bool{true, false} {
		fs, _ := stoppedMember(t)
		log, err := eventlog.Open(repairLog(fs, 3))
		if err != nil {
			t.Fatal(err)
		}
		at, err := log.Position(20)
		if err = errors.Join(err, log.Close()); err != nil {
			t.Fatal(err)
		}
		if !known {
			f, id, _, err := openIdentity(fs, "data", "data/node")
			if err == nil {
				id.MembershipIndex = 30
				err = errors.Join(f.write(id), f.close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
		r, err := BeginRepair(RepairConfig{Log: repairLog(fs, 4), FS: fs, Dir: "data", File: "node", Incarnation: 5, Logger: quiet, Held: at, Cause: ErrMissing})
		if !known {
			id, ierr := readIdentity(fs, "data", "node")
			if !errors.Is(err, ErrNeedsReseed) || ierr != nil || id.Incarnation != 0 || id.MembershipIndex != 30 {
				t.Errorf("it begins: %v; %+v, %v", err, id, ierr)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if done, err := r.Finish(); err != nil || done.Renewed != 5 {
			t.Fatalf("%+v, %v", done, err)
		}
		cfg := repairLog(fs, 6)
		cfg.Manual = false
		if log, err = eventlog.Open(cfg); err != nil {
			t.Fatal(err)
		}
		n, err := Start(Config{Log: log, Sink: plain{at: at}, FS: fs, Dir: "data", File: "node", Transport: nowhere{}, Manual: true, Logger: quiet})
		if err != nil {
			t.Fatalf("it does not start: %v", err)
		}
		if id := n.Identity(); id.Incarnation != 5 || id.Commit != at.Index || len(id.Membership.Members) != 3 || n.First() != at.Index+1 {
			t.Errorf("it has %+v, and a log from %d", id, n.First())
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

type nowhere struct{}

func (nowhere) Send([]consensus.Message)     {}
func (nowhere) Members(consensus.Membership) {}

// TestRepairMessages: what is no message is refused, and allocates nothing that is not there.
func TestRepairMessages(t *testing.T) {
	q := RepairRequest{Group: 3, First: 10, Last: 1 << 40}
	if got, err := ParseRepairRequest(q.Append(nil)); err != nil || got != q {
		t.Errorf("%+v, %v", got, err)
	}
	a := RepairAnswer{state: answerFound, Runs: true, Votes: true, Records: []eventlog.Record{{Index: 1, Term: 2, Time: -3, Kind: 200, Payload: []byte("p")}, {Index: 2, Payload: make([]byte, 32), Redacted: true}}}
	b := a.Append(nil)
	got, err := ParseRepairAnswer(b)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(a) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range b {
		if got, err := ParseRepairAnswer(b[:i]); err == nil && len(got.Records) == 2 {
			t.Errorf("%d bytes of %d are a whole answer", i, len(b))
		}
	}
	for _, bad := range []string{"", "\x02", "\x01", "\x01\x00\x00\x00\x00", "\x01\xff"} {
		if _, err := ParseRepairRequest([]byte(bad)); err == nil {
			t.Errorf("request %q", bad)
		}
	}
	for _, bad := range []string{"", "\x01", "\x02\x00", "\x01\x04", "\x01\x84", "\x01\x00\x01\x01\x01\x80\x04\x00", "\x01\x00\x01\x01\x01\x10\xff\xff\xff\xff\x0f"} {
		if _, err := ParseRepairAnswer([]byte(bad)); err == nil {
			t.Errorf("answer %q", bad)
		}
	}
	most := RepairAnswer{Records: make([]eventlog.Record, maxRepairCount)}
	if got, err := ParseRepairAnswer(most.Append(nil)); err != nil || len(got.Records) != maxRepairCount {
		t.Errorf("%d records: %d, %v", maxRepairCount, len(got.Records), err)
	}
	most.Records = append(most.Records, eventlog.Record{})
	if _, err := ParseRepairAnswer(most.Append(nil)); err == nil {
		t.Errorf("%d records", len(most.Records))
	}
	if _, err := readRepair(bytes.NewReader([]byte{255, 255, 255, 127, 1}), maxRepairFrame-1<<30); err == nil {
		t.Error("a length beyond the limit")
	}
	if _, err := readRepair(bytes.NewReader([]byte{0, 0, 0, 16, 1}), maxRepairFrame); err == nil {
		t.Error("a message that is cut off")
	}
}

package consensus

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the traces of the scenarios anew")

// TestScenarios plays each testdata/*.txt, a script of commands over replicas whose network and disks
// do what the script says and nothing else, and compares what happened with the .trace beside
// it. Lines that begin with expect must hold, whatever the trace says. testdata/README.md
// explains the commands.
func TestScenarios(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	expects := 0
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			s := &stage{t: t, file: name, nodes: map[NodeID]*actor{}, cut: map[string]bool{}, held: map[string]bool{}, reads: map[uint64]ReadState{}, sent: map[string]int{}}
			s.play()
			if s.expects == 0 {
				t.Errorf("%s expects nothing", name)
			}
			expects += s.expects
			golden := strings.TrimSuffix(name, ".txt") + ".trace"
			if *update {
				if err := os.WriteFile(golden, []byte(s.trace.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != s.trace.String() {
				t.Errorf("%s: the trace differs from %s; look at what -update makes of it\n%s", name, golden, firstDifference(string(want), s.trace.String()))
			}
		})
	}
	t.Logf("%d scenarios, %d expectations", len(names), expects)
	if len(names) < 60 {
		t.Errorf("%d scenarios, there were 60", len(names))
	}
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d:\n- %s\n+ %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, not %d", len(b), len(a))
}

// stage is where a script plays.
type stage struct {
	t       *testing.T
	file    string
	line    int
	text    string
	trace   strings.Builder
	nodes   map[NodeID]*actor
	ids     []NodeID
	net     []Message
	cut     map[string]bool // "1->2"
	held    map[string]bool
	reads   map[uint64]ReadState
	sent    map[string]int // "Vote 1->2"
	expects int
	quiet   bool // heartbeats that change nothing are not told
	cfg     Config
}

// actor is a node and its disk.
type actor struct {
	s           *stage
	id          NodeID
	r           *Replica
	slow        bool // its disk syncs when told
	pending     []Ready
	incarnation uint64

	hard    HardState
	before  Snapshot
	entries []Entry
	snap    Snapshot
	data    []byte // of the snapshot
	getting []byte
	got     map[[32]byte][]byte
	commit  uint64
	applied []string
	shown   string
}

func (s *stage) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\n%s:%d: %s: %s", s.trace.String(), s.file, s.line, s.text, fmt.Sprintf(format, args...))
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(&s.trace, format+"\n", args...) }

func (s *stage) play() {
	b, err := os.ReadFile(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if e := recover(); e != nil {
			s.fail("%v", e)
		}
	}()
	for text := range strings.Lines(string(b)) {
		s.line++
		s.text = strings.TrimSpace(text)
		if s.text == "" {
			continue
		}
		if strings.HasPrefix(s.text, "#") {
			s.say("%s", s.text)
			continue
		}
		s.say("> %s", s.text)
		s.do(strings.Fields(s.text))
		s.settle()
	}
}

// do is one command.
func (s *stage) do(f []string) {
	switch f[0] {
	case "option":
		s.option(f[1:])
	case "nodes":
		s.bootstrap(f)
	case "node":
		a := s.actor(s.id(f[1]))
		a.incarnation = s.value(f, "incarnation")
		a.start()
	case "disk":
		s.disk(f)
	case "campaign":
		s.at(f[1]).r.Campaign()
	case "tell":
		s.at(f[1]).r.TellCommit()
	case "tick":
		n := 1
		if len(f) > 2 {
			n = int(s.number(f[2]))
		}
		for range n {
			s.at(f[1]).r.Tick()
			s.settle()
		}
	case "round": // everybody ticks once, and what comes of it arrives
		s.quiet = true
		defer func() { s.quiet = false }()
		for range s.number(f[1]) {
			for _, id := range s.ids {
				if a := s.nodes[id]; a.r != nil {
					a.r.Tick()
				}
			}
			s.settle()
			s.deliver("", "")
		}
	case "deliver":
		s.deliver(append(f, "", "")[1], append(f, "", "")[2])
	case "drop":
		s.drop(append(f, "")[1])
	case "repeat":
		s.repeat(f[1])
	case "cut", "heal", "hold", "release":
		s.links(f)
	case "slow", "fast", "sync":
		a := s.at(f[1])
		a.slow = f[0] == "slow" || f[0] == "sync" && a.slow
		if f[0] != "slow" {
			n := len(a.pending)
			if len(f) > 2 {
				n = int(s.number(f[2]))
			}
			a.sync(n)
		}
	case "crash":
		a := s.at(f[1])
		a.r, a.pending = nil, nil
	case "restart":
		s.actor(s.id(f[1])).start()
	case "lose":
		a := s.actor(s.id(f[1]))
		*a = actor{s: s, id: a.id, incarnation: s.value(f, "incarnation"), got: map[[32]byte][]byte{}}
		a.start()
	case "snapshot":
		s.at(f[1]).snapshot()
	case "lost":
		s.at(f[1]).r.LeaderLost(s.id(f[2]))
	case "step":
		s.step(f)
	case "propose", "change", "transfer", "read":
		if err := s.wish(f); err != nil {
			s.fail("%v", err)
		}
	case "refused":
		want := map[string]error{"NotLeader": ErrNotLeader, "NoLeader": ErrNoLeader, "Busy": ErrBusy, "Transferring": ErrTransferring, "Changing": ErrChanging, "TooEarly": ErrTooEarly, "Target": ErrTarget}[f[1]]
		err := s.wish(f[2:])
		s.expects++
		if _, quorum := errors.AsType[*QuorumError](err); f[1] == "Quorum" && quorum {
			return
		}
		if f[1] == "Invalid" && err != nil && want == nil {
			return
		}
		if want == nil || !errors.Is(err, want) {
			s.fail("%v, not %s", err, f[1])
		}
	case "expect":
		s.expects++
		if f[1] == "not" {
			if why := s.holds(f[2:]); why == "" {
				s.fail("it does")
			}
		} else if why := s.holds(f[1:]); why != "" {
			s.fail("%s", why)
		}
	default:
		s.fail("no such command")
	}
}

func (s *stage) option(f []string) {
	for _, o := range f {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "lease":
			s.cfg.LeaseReads = true
		case "failover":
			s.cfg.FastFailover = true
		case "lazy":
			s.cfg.LazyCommit = true
		case "election":
			s.cfg.ElectionTicks = int(s.number(v))
		case "message":
			s.cfg.MaxMessageBytes = int(s.number(v))
		case "inflight":
			s.cfg.MaxInflight = int(s.number(v))
		case "uncommitted":
			s.cfg.MaxUncommittedBytes = int(s.number(v))
		default:
			s.fail("no option %q", k)
		}
	}
}

// bootstrap makes the disks of voters 1 to n, and starts them unless they are to be changed first.
func (s *stage) bootstrap(f []string) {
	var ids []NodeID
	for i := range s.number(f[1]) {
		ids = append(ids, NodeID(i+1))
	}
	m := Voters(ids...)
	for _, o := range f[2:] {
		if k, v, ok := strings.Cut(o, "="); ok && strings.HasPrefix(k, "priority") {
			m.Members[s.number(strings.TrimPrefix(k, "priority"))-1].Priority = uint8(s.number(v))
		}
	}
	for _, id := range ids {
		a := s.actor(id)
		a.before.Membership = m
		if !slices.Contains(f, "stopped") {
			a.start()
		}
	}
}

// disk puts entries of these terms, and a term and a vote, on the disk of a node that is down.
func (s *stage) disk(f []string) {
	a := s.actor(s.id(f[1]))
	for _, o := range f[2:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "term":
			a.hard.Term = s.number(v)
		case "vote":
			a.hard.Vote = s.id(v)
		case "commit":
			a.commit = s.number(v)
		case "log":
			for i, t := range strings.Split(v, ",") {
				e := Entry{Index: uint64(i + 1), Term: s.number(t), Kind: FirstKind, Data: fmt.Appendf(nil, "e%d.%s", i+1, t)}
				if i == 0 {
					e.Kind, e.Data = KindConfig, AppendMembership(nil, a.before.Membership)
				}
				a.entries = append(a.entries, e)
				a.hard.Term = max(a.hard.Term, e.Term)
			}
		default:
			s.fail("a disk has no %q", k)
		}
	}
}

func (s *stage) actor(id NodeID) *actor {
	if s.nodes[id] == nil {
		s.nodes[id] = &actor{s: s, id: id, got: map[[32]byte][]byte{}}
		s.ids = append(s.ids, id)
		slices.Sort(s.ids)
	}
	return s.nodes[id]
}

func (s *stage) at(id string) *actor {
	a := s.nodes[s.id(id)]
	if a == nil || a.r == nil {
		s.fail("node %s is not up", id)
	}
	return a
}

func (s *stage) number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.fail("%v", err)
	}
	return n
}

func (s *stage) id(text string) NodeID { return NodeID(s.number(text)) }

// value is the number behind name= among the words, 0 if it is not there.
func (s *stage) value(f []string, name string) uint64 {
	for _, o := range f {
		if v, ok := strings.CutPrefix(o, name+"="); ok {
			return s.number(v)
		}
	}
	return 0
}

func (s *stage) wish(f []string) (err error) {
	a := s.at(f[1])
	switch f[0] {
	case "propose":
		_, err = a.r.Propose(FirstKind, 0, []byte(f[2]))
	case "transfer":
		err = a.r.Transfer(s.id(f[2]))
	case "read":
		err = a.r.Read(s.number(f[2]))
	case "change":
		var list []Change
		for c := range strings.SplitSeq(strings.Join(f[2:], " "), ", ") {
			w := strings.Fields(c)
			x := Change{Remove: w[0] == "remove", Member: Member{ID: s.id(w[1]), Incarnation: s.value(w, "incarnation"), Promote: slices.Contains(w, "promote"), Priority: uint8(s.value(w, "priority"))}}
			if w[0] == "voter" {
				x.Member.Role = Voter
			}
			list = append(list, x)
		}
		_, err = a.r.Change(list...)
	default:
		s.fail("no such wish")
	}
	return err
}

// step hands over a message that the script makes up.
func (s *stage) step(f []string) {
	from, to, _ := strings.Cut(f[2], "->")
	m := Message{
		Kind: MessageKind(slices.Index(messageNames[:], f[1])), From: s.id(from), To: s.id(to), Term: s.value(f, "term"), Index: s.value(f, "index"), LogTerm: s.value(f, "logterm"),
		Commit: s.value(f, "commit"), Seq: s.value(f, "seq"), Match: s.value(f, "match"), Reject: slices.Contains(f, "reject"), Transfer: slices.Contains(f, "transfer"), Incarnation: s.value(f, "incarnation"),
	}
	if n := s.value(f, "entries"); n > 0 {
		for i := range n {
			m.Entries = append(m.Entries, Entry{Index: m.Index + i + 1, Term: m.Term, Kind: FirstKind, Data: []byte("made-up")})
		}
	}
	if err := s.at(to).r.Step(m); err != nil {
		s.fail("%v", err)
	}
}

// links handles cut, heal, hold and release of a->b, of a kind of message, of all links of a node, or of all.
func (s *stage) links(f []string) {
	if len(f) == 1 {
		if f[0] == "heal" {
			clear(s.cut)
		} else {
			clear(s.held)
		}
		return
	}
	for _, w := range f[1:] {
		var list []string
		if strings.Contains(w, "->") || slices.Contains(messageNames[:], w) {
			list = []string{w}
		} else {
			for _, o := range s.ids {
				list = append(list, fmt.Sprintf("%s->%d", w, o), fmt.Sprintf("%d->%s", o, w))
			}
		}
		for _, l := range list {
			switch f[0] {
			case "cut":
				s.cut[l] = true
			case "heal":
				delete(s.cut, l)
			case "hold":
				s.held[l] = true
			case "release":
				delete(s.held, l)
			}
		}
	}
}

func link(m *Message) string { return fmt.Sprintf("%d->%d", m.From, m.To) }

// deliver hands over what is on its way, oldest first, until nothing is; or, of one link or kind,
// what is there now.
func (s *stage) deliver(which, kind string) {
	all := which == ""
	if all {
		for budget := 5000; ; budget-- {
			if budget == 0 {
				s.fail("messages without end")
			}
			i := slices.IndexFunc(s.net, func(m Message) bool { return !s.held[link(&m)] && !s.held[m.Kind.String()] })
			if i < 0 {
				return
			}
			s.hand(i)
		}
	}
	n := len(s.net)
	for i := 0; i < n; {
		m := s.net[i]
		if link(&m) == which && (kind == "" || m.Kind.String() == kind) {
			s.hand(i)
			n--
		} else {
			i++
		}
	}
}

func (s *stage) hand(i int) {
	m := s.net[i]
	s.net = slices.Delete(s.net, i, i+1)
	to := s.nodes[m.To]
	if to == nil || to.r == nil || s.cut[link(&m)] {
		s.say("  %s lost", show(&m))
		return
	}
	before := s.trace.Len()
	s.say("  %s", show(&m))
	told := s.trace.Len()
	defer func() {
		if s.quiet && s.trace.Len() == told && len(m.Entries) == 0 && (m.Kind == MsgAppend || m.Kind == MsgAppendResp && !m.Reject) {
			short := s.trace.String()[:before]
			s.trace.Reset()
			s.trace.WriteString(short)
		}
	}()
	if err := to.r.Step(m); err != nil {
		s.say("    %v", err)
	}
	s.settle()
}

func (s *stage) drop(which string) {
	s.net = slices.DeleteFunc(s.net, func(m Message) bool {
		gone := which == "" || link(&m) == which || m.Kind.String() == which
		if gone {
			s.say("  %s lost", show(&m))
		}
		return gone
	})
}

func (s *stage) repeat(which string) {
	for _, m := range slices.Clone(s.net) {
		if link(&m) == which {
			s.net = append(s.net, m)
		}
	}
}

// show is a message as the trace has it.
func show(m *Message) string {
	t := fmt.Sprintf("%s %v t%d", link(m), m.Kind, m.Term)
	switch m.Kind {
	case MsgPreVote, MsgVote:
		t += fmt.Sprintf(" log %d/%d", m.Index, m.LogTerm)
	case MsgAppend:
		t += fmt.Sprintf(" behind %d/%d commit %d", m.Index, m.LogTerm, m.Commit)
		for _, e := range m.Entries {
			t += " " + showEntry(&e)
		}
	case MsgAppendResp:
		t += fmt.Sprintf(" agrees %d durable %d", m.Index, m.Match)
		if m.Reject {
			t = fmt.Sprintf("%s %v t%d not at %d, look at %d/%d", link(m), m.Kind, m.Term, m.Index, m.Hint, m.HintTerm)
		}
	case MsgSnapshot:
		t += fmt.Sprintf(" of %d/%d, %d bytes", m.Snapshot.Index, m.Snapshot.Term, m.Snapshot.Size)
	case MsgChunkWant:
		t += fmt.Sprintf(" of %d from %d", m.Snapshot.Index, m.Offset)
	case MsgChunk:
		t += fmt.Sprintf(" of %d at %d: %d bytes", m.Snapshot.Index, m.Offset, len(m.Data))
	case MsgReadIndex:
		t += fmt.Sprintf(" reads %v", m.Reads)
	case MsgReadIndexResp:
		t += fmt.Sprintf(" reads %v from %d", m.Reads, m.Index)
	}
	if m.Reject && m.Kind != MsgAppendResp {
		t += " no"
	}
	if m.Transfer {
		t += " by transfer"
	}
	return t
}

func showEntry(e *Entry) string {
	what := string(e.Data)
	switch e.Kind {
	case KindNoop:
		what = "noop"
	case KindConfig:
		m, err := ParseMembership(e.Data)
		if err != nil {
			return err.Error()
		}
		what = "{" + showMembers(m) + "}"
	}
	return fmt.Sprintf("%d/%d=%s", e.Index, e.Term, what)
}

func showMembers(m Membership) string {
	var list []string
	for _, x := range m.Members {
		list = append(list, fmt.Sprintf("%d:%v", x.ID, x.Role))
	}
	return strings.Join(list, " ")
}

// settle takes what every node has to do, and does it; disks that are slow get it and wait.
func (s *stage) settle() {
	for _, id := range s.ids {
		a := s.nodes[id]
		for a.r != nil && a.r.HasReady() {
			a.ready()
		}
		a.notice()
	}
}

// notice writes down when something of a node's state is another one.
func (a *actor) notice() {
	now := "down"
	if a.r != nil {
		st := a.r.Status()
		now = fmt.Sprintf("%v term %d vote %d lead %d last %d durable %d commit %d", st.State, st.Term, st.Vote, a.r.Lead(), st.Last, st.Durable, st.Commit)
	}
	if now != a.shown {
		a.s.say("    %d: %s", a.id, now)
		a.shown = now
	}
}

func (a *actor) last() uint64 { return a.before.Index + uint64(len(a.entries)) }

func (a *actor) start() {
	re := Restart{HardState: a.hard, BeforeIndex: a.before.Index, BeforeTerm: a.before.Term, LastIndex: a.last(), Configs: []ConfigAt{{a.before.Index, a.before.Membership}}}
	for i, e := range a.entries {
		if i == 0 || a.entries[i-1].Term != e.Term {
			re.Runs = append(re.Runs, TermRun{e.Index, e.Term})
		}
		if e.Kind == KindConfig {
			m, err := ParseMembership(e.Data)
			if err != nil {
				a.s.fail("%v", err)
			}
			re.Configs = append(re.Configs, ConfigAt{e.Index, m})
		}
	}
	re.Commit, re.Applied = max(a.commit, a.before.Index), a.before.Index
	a.applied = nil
	if a.snap.Index > 0 {
		a.applied = strings.Fields(string(a.data))
	}
	cfg := a.s.cfg
	cfg.ID, cfg.Storage, cfg.Incarnation, cfg.Seed, cfg.MaxChunkBytes = a.id, a, a.incarnation, uint64(a.id), 8
	r, err := New(cfg, re)
	if err != nil {
		a.s.fail("%v", err)
	}
	a.r, a.pending = r, nil
}

// Entries and Snapshot are the actor's Storage.
func (a *actor) Entries(lo, hi uint64, _ int) ([]Entry, error) {
	if lo <= a.before.Index {
		return nil, ErrCompacted
	}
	return a.entries[lo-a.before.Index-1 : hi-a.before.Index-1], nil
}

func (a *actor) Snapshot() (Snapshot, bool) { return a.snap, a.snap.Index > 0 }

func (a *actor) ready() {
	rd, err := a.r.Ready()
	if err != nil {
		a.s.fail("%v", err)
	}
	for _, m := range rd.Messages {
		a.s.sent[m.Kind.String()+" "+link(&m)]++
		a.s.net = append(a.s.net, m)
	}
	for _, w := range rd.Writes {
		if w.Offset == 0 {
			a.getting = nil
		}
		if uint64(len(a.getting)) != w.Offset {
			a.s.fail("a piece at %d, %d bytes are there", w.Offset, len(a.getting))
		}
		a.getting = append(a.getting, w.Data...)
		if w.Last {
			a.got[w.Snapshot.Sum] = a.getting
			a.r.SnapshotReceived(w.Snapshot, sha256.Sum256(a.getting) == w.Snapshot.Sum)
		}
	}
	for _, q := range rd.Chunks {
		if a.snap.Sum != q.Snapshot.Sum {
			a.r.SnapshotGone(q.Snapshot)
			continue
		}
		a.s.net = append(a.s.net, q.Message(a.data[q.Offset:q.Offset+uint64(q.Bytes)]))
	}
	for _, q := range rd.Reads {
		a.s.reads[q.ID] = q
		a.s.say("    %d: read %d: index %d failed %v", a.id, q.ID, q.Index, q.Failed)
	}
	a.pending = append(a.pending, rd)
	if rd.Install != nil {
		a.applied = strings.Fields(string(a.got[rd.Install.Sum]))
	}
	for _, e := range rd.Committed {
		a.s.say("    %d: applies %s", a.id, showEntry(&e))
		if e.Kind >= FirstKind {
			a.applied = append(a.applied, string(e.Data))
		}
	}
	if n := len(rd.Committed); n > 0 {
		a.r.Applied(rd.Committed[n-1].Index)
	}
	if !a.slow {
		a.sync(len(a.pending))
	}
}

// sync makes the oldest writes durable.
func (a *actor) sync(n int) {
	for _, rd := range a.pending[:n] {
		if rd.HardState != nil {
			a.hard = *rd.HardState
		}
		if rd.Install != nil {
			a.before, a.snap, a.entries, a.data = *rd.Install, *rd.Install, nil, a.got[rd.Install.Sum]
		}
		if len(rd.Entries) > 0 {
			a.entries = append(slices.Clone(a.entries[:rd.Entries[0].Index-1-a.before.Index]), rd.Entries...)
		}
		a.commit = max(a.commit, min(rd.Commit, a.last()))
		a.r.Persisted(rd.Number)
	}
	a.pending = slices.Clone(a.pending[n:])
}

// snapshot writes the state down and drops the log before it.
func (a *actor) snapshot() {
	st := a.r.Status()
	e := a.entries[st.Applied-a.before.Index-1]
	m := a.before.Membership
	for _, x := range a.entries[:st.Applied-a.before.Index] {
		if x.Kind == KindConfig {
			m, _ = ParseMembership(x.Data)
		}
	}
	a.data = []byte(strings.Join(a.applied, " "))
	a.snap = Snapshot{Index: e.Index, Term: e.Term, Membership: m, Size: uint64(len(a.data)), Sum: sha256.Sum256(a.data)}
	a.entries = slices.Clone(a.entries[st.Applied-a.before.Index:])
	a.before = a.snap
	a.r.Compacted(e.Index)
}

// holds says what of an expectation does not hold; nothing when all of it does.
func (s *stage) holds(f []string) string {
	got, want := "", strings.Join(f[2:], " ")
	switch f[0] {
	case "leader": // who leads, as that node sees it
		var leaders []string
		for _, id := range s.ids {
			if a := s.nodes[id]; a.r != nil && a.r.role == Leader {
				leaders = append(leaders, fmt.Sprint(id))
			}
		}
		got, want = strings.Join(leaders, " "), strings.Join(f[1:], " ")
		if got == "" {
			got = "none"
		}
	case "sent": // a kind of message over a link, since the script began
		if s.sent[f[1]+" "+f[2]] == 0 {
			return "none was sent"
		}
		return ""
	case "read":
		q, ok := s.reads[s.number(f[1])]
		switch {
		case !ok:
			got = "pending"
		case q.Failed:
			got = "failed"
		default:
			got = fmt.Sprint(q.Index)
		}
	default:
		got = s.of(f, s.nodes[s.id(f[1])])
		if f[0] == "peer" {
			want = strings.Join(f[3:], " ")
		}
	}
	if got != want {
		return fmt.Sprintf("it is %q", got)
	}
	return ""
}

// of is something about one node.
func (s *stage) of(f []string, a *actor) string {
	if f[0] == "disk" {
		return fmt.Sprintf("term %d vote %d last %d", a.hard.Term, a.hard.Vote, a.last())
	}
	if a.r == nil {
		s.fail("node %d is down", a.id)
	}
	st := a.r.Status()
	switch f[0] {
	case "state":
		return st.State.String()
	case "term":
		return fmt.Sprint(st.Term)
	case "vote":
		return fmt.Sprint(st.Vote)
	case "lead":
		return fmt.Sprint(a.r.Lead())
	case "commit":
		return fmt.Sprint(st.Commit)
	case "last":
		return fmt.Sprint(st.Last)
	case "applied":
		return strings.Join(a.applied, " ")
	case "members":
		return showMembers(st.Membership)
	case "waiting":
		return fmt.Sprint(st.UncommittedBytes)
	case "transferee":
		return fmt.Sprint(st.Transferee)
	case "lease":
		_, _, ok := a.r.Lease()
		return map[bool]string{true: "yes", false: "no"}[ok]
	case "log":
		var terms []string
		for i := st.First; i <= st.Last; i++ {
			t, _ := a.r.Term(i)
			terms = append(terms, fmt.Sprint(t))
		}
		return strings.Join(terms, ",")
	case "peer":
		for _, p := range st.Peers {
			if p.ID == s.id(f[2]) {
				return fmt.Sprintf("%s match %d", p.State, p.Match)
			}
		}
		return "none"
	}
	s.fail("nothing is called %q", f[0])
	return ""
}

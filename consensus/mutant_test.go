package consensus

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// mutants are bugs that good implementations have had, or could. TestMutants plants them one
// at a time and wants the random runs to find each: a hunter that finds nothing proves
// nothing.
var mutants = []struct{ name, file, old, new string }{
	{"a vote is answered before it is durable", "ready.go", "if r.hardNumber > r.persisted {", "if r.hardNumber > r.persisted && m.Kind != MsgVoteResp {"},
	{"an answer in a term that is not durable", "ready.go", "if r.hardNumber > r.persisted {", "if r.hardNumber > r.persisted && m.Kind != MsgAppendResp {"},
	{"the vote is forgotten when stepping down in the same term", "raft.go", "	r.role, r.lead, r.votes, r.leaderGone = Follower, lead, nil, false\n", "	if term == r.term && r.role != Follower {\n		r.vote, r.hardNumber = 0, r.number+1\n	}\n	r.role, r.lead, r.votes, r.leaderGone = Follower, lead, nil, false\n"},
	{"a candidate's vote for itself is not durable", "candidate.go", "	r.setHard(r.term+1, r.cfg.ID)\n", "	r.setHard(r.term+1, 0)\n	r.vote = r.cfg.ID\n	defer func() { r.hardNumber = min(r.hardNumber, r.persisted) }()\n"},
	{"two votes in one term", "candidate.go", "	if !free || promised", "	_ = free\n	r.vote = 0\n	if promised"},
	{"entries of an earlier term are committed by counting", "leader.go", "if index <= r.log.commit || index < r.termStart {", "if index <= r.log.commit {"},
	{"a late message cuts what is behind it", "follower.go", "	for len(m.Entries) > 0 && l.holds(m.Entries[0].Index, m.Entries[0].Term) {", "	for len(m.Entries) > 0 && m.Entries[0].Index <= l.commit {"},
	{"conflicting entries stay", "follower.go", "l.holds(m.Entries[0].Index, m.Entries[0].Term) {", "m.Entries[0].Index <= l.last {"},
	{"the commit index of the leader, whatever agrees", "follower.go", "min(m.Commit, r.verified)", "min(m.Commit, r.log.last)"},
	{"what agreed with the last leader is held to agree with this one", "raft.go", "		r.verified, r.seq, r.owesAck = 0, 0, false\n", "		r.seq, r.owesAck = 0, false\n"},
	{"logs are compared by length alone", "log.go", "return term > mine || term == mine && index >= l.last", "return term+mine > 0 && index >= l.last"},
	{"logs are not compared", "candidate.go", "!r.log.upToDate(m.Index, m.LogTerm)", "m.Index > 1<<60"},
	{"entries are taken without looking at the one before", "follower.go", "if !l.holds(m.Index, m.LogTerm) {", "if m.Index > l.last {"},
	{"a configuration counts only once it is committed", "log.go", "return &l.configs[len(l.configs)-1]", "return &l.configs[0]"},
	{"a configuration stays when its entry goes", "log.go", "n > 1 && l.configs[n-1].index > index; n--", "n > 1 && l.configs[n-1].index > index+1<<40; n--"},
	{"a joint configuration needs the new half alone", "quorum.go", "return min(agreed(c.voters, reached), agreed(c.outgoing, reached))", "return agreed(c.voters, reached)"},
	{"votes of the new half are enough", "quorum.go", "count(c.voters, votes), count(c.outgoing, votes)", "count(c.voters, votes), count(c.voters, votes)"},
	{"no joint configuration", "membership.go", "	return next, next.check()\n", "	return next.left(), next.left().check()\n"},
	{"a joint configuration is left before it is committed", "leader.go", "	case c.index > r.log.commit:\n	case c.Joint():", "	case c.Joint():"},
	{"learners are counted", "membership.go", "if x.Role == Voter || x.Role == Incoming {\n			c.voters", "if x.Role == Voter || x.Role == Incoming || x.Role == Learner {\n			c.voters"},
	{"a majority less one", "quorum.go", "(len(numbers)-1)/2", "min(len(numbers)-1, (len(numbers)-1)/2+1)"},
	{"half of the votes wins", "quorum.go", "need := len(voters)/2 + 1;", "need := max(1, len(voters)/2);"},
	{"a read before the term's first commit", "read.go", "if r.log.commit < r.termStart {\n		r.early", "if r.log.commit > 1<<60 {\n		r.early"},
	{"a read without asking anybody", "read.go", "if r.log.config().agreed(r.answered) == 1<<64-1 {\n		r.releaseReads() // no other voter", "if r.log.commit > 0 {\n		r.asked[len(r.asked)-1].seq = 0\n		for _, q := range r.asked {\n			r.answerRead(q, q.index, false)\n		}\n		r.asked = nil"},
	{"a read confirmed by what was sent before it", "read.go", "r.asked[n].seq < seq", "r.asked[n].seq <= seq"},
	{"the read's index is taken when it is confirmed too late to matter", "read.go", "q.index, q.seq = r.log.commit, r.seq", "q.index, q.seq = min(r.log.commit, r.log.applied), r.seq"},
	{"the leader counts what its disk does not have", "leader.go", "		return r.log.durable\n", "		return r.log.last\n"},
	{"an acknowledgement of what is not durable", "follower.go", "Match: min(r.verified, r.log.durable)", "Match: r.verified"},
	{"a write that was cut still counts as durable", "log.go", "		l.writes[i].last = min(l.writes[i].last, index)\n", "		l.writes[i].last += 0\n"},
	{"what was cut still counts as durable", "log.go", "l.emitted, l.durable = min(l.emitted, index), min(l.durable, index)", "l.emitted = min(l.emitted, index)"},
	{"a snapshot leaves the old configuration in force", "log.go", "	l.configs = []config{newConfig(s.Index, s.Membership)}\n", "	l.configs = l.configs[:1]\n"},
	{"a snapshot is acknowledged before it is durable", "log.go", "	l.durable, l.lastTime = 0, s.Time\n", "	l.durable, l.lastTime = s.Index, s.Time\n"},
	{"pieces in any order", "snapshot.go", "m.Offset != in.offset || end > in.snapshot.Size", "end > in.snapshot.Size"},
	{"a snapshot whose sum is wrong", "snapshot.go", "if !ok || s.Index <= r.log.commit ||", "if s.Index <= r.log.commit ||"},
	{"votes of a node that lost its disk", "candidate.go", "return m.Incarnation == r.cfg.Incarnation", "return true"},
	{"acknowledgements of a node that lost its disk", "leader.go", "	return p.incarnation == x.Incarnation\n", "	return p.incarnation == x.Incarnation || x.ID > 0\n"},
	{"what a lost disk had still counts", "leader.go", "		*p = progress{incarnation: m.Incarnation} // it has nothing of what it had\n", "		p.incarnation = m.Incarnation\n"},
	{"two leaders' words of one term", "raft.go", "	if m.Term > r.term {\n		if r.ignoresVote(m) {", "	if m.Term > r.term && m.Kind == MsgAppend {\n		r.dispatch(m)\n		return nil\n	}\n	if m.Term > r.term {\n		if r.ignoresVote(m) {"},
	{"messages of an earlier term are taken", "raft.go", "if m.Term < r.term && m.Kind != MsgReadIndex {", "if m.Term < r.term && m.Kind != MsgReadIndex && m.Kind != MsgAppendResp && m.Kind != MsgVoteResp {"},
	{"a leader that hears nobody stays", "leader.go", "	if r.quorum(r.log.config()) != nil {", "	if r.quorum(r.log.config()) != nil && r.term == 0 {"},
	{"what is under way is never freed", "progress.go", "	for n < len(f.list) && f.list[n].last <= index {", "	for n < len(f.list) && f.list[n].last+1<<40 <= index {"},
	{"a lost message is never sent again", "leader.go", "if m.Seq >= p.lastSeq && m.Seq > p.reset && m.Index+1 < p.next {", "if m.Seq >= p.lastSeq && m.Seq > p.reset && m.Index+1 < p.match {"},
	{"one write that is durable stands for all that were given out", "ready.go", "	r.log.persisted(number)\n", "	r.log.persisted(r.number)\n"},
	{"a lease through a transfer", "read.go", "r.transferee != 0 || r.gaveAway || r.log.commit", "r.log.commit"},
	{"a lease before anybody has answered", "read.go", "min(r.log.config().agreed(r.pledged), r.seq), r.seq, true", "r.seq, r.seq, true"},
	{"a lease before the term's first commit", "read.go", "r.gaveAway || r.log.commit < r.termStart {", "r.gaveAway {"},
	{"a lease's promise does not outlive a restart", "raft.go", "	if p.term > 0 {\n		p.promised()", "	if p.term > 1<<60 {\n		p.promised()"},
	{"a lease without a promise", "raft.go", "	if r.cfg.LeaseReads {\n", "	if r.cfg.LeaseReads && r.term == 0 {\n"},
	{"a lease's promise is too short", "raft.go", "r.promise = max(r.promise, r.cfg.ElectionTicks+1)", "r.promise = max(r.promise, r.cfg.ElectionTicks/2)"},
	{"a lease's promise ends with the tick that was under way", "raft.go", "r.promise = max(r.promise, r.cfg.ElectionTicks+1)", "r.promise = max(r.promise, r.cfg.ElectionTicks)"},
	{"a lease without a margin for clocks", "invariants_test.go", "(1-clockDrift)/(1+clockDrift)", "1.3"},
	{"a lease counted from receipt", "invariants_test.go", "	since, known := m.sent[answered]\n", "	since, known := m.clock-1, m.sent[answered] > 0\n"},
	{"an acknowledgement of another incarnation's log moves the old one's progress", "leader.go", "	if p.incarnation != m.Incarnation {\n", "	if p.incarnation != m.Incarnation && m.Match == 0 {\n"},
	{"a log that is long enough is held to agree with a snapshot", "snapshot.go", "	if l.holds(s.Index, s.Term) {\n", "	if l.last >= s.Index {\n"},
	{"a leader that left counts itself on", "leader.go", "	case !c.votes(r.cfg.ID):\n", "	case c.votes(0):\n"},
	{"a change before the term's first commit", "leader.go", "	case r.log.commit < r.termStart:\n		return 0, ErrTooEarly\n	case c.index > r.log.commit && c.index != r.raisedAt || c.Joint():", "	case c.Joint():"},
	{"a voter that is left out does not stand while it is needed", "raft.go", "	for i := range r.log.configs {\n", "	for i := range r.log.configs[:0] {\n		_ = i\n	}\n	for i := len(r.log.configs) - 1; i < len(r.log.configs); i++ {\n"},
	{"a leader that leaves drops what its full disk refused as if it were alone", "refused.go", "if r.role == Leader && r.alone() {", "if r.role == Leader && len(r.log.config().Members) == 1 {"},
	{"a leader that was not alone drops what its full disk refused", "refused.go", "if r.role == Leader && r.alone() {", "if r.role == Leader && r.log.config().IsOnly(r.cfg.ID) {"},
	{"a leader that leaves raises the format as if it were alone", "format.go", "if !m.IsOnly(r.cfg.ID) || f", "if len(m.Members) != 1 || f"},
	{"a full disk: what is not dropped is not given out again", "refused.go", "	l.emitted, l.writes = l.durable, nil\n", "	l.writes = nil\n"},
	{"the format is raised without asking learners", "format.go", "		if x.ID == r.cfg.ID {\n			continue\n		}\n		p := r.peers[x.ID]\n		if p.inc", "		if x.ID == r.cfg.ID || x.Role == Learner {\n			continue\n		}\n		p := r.peers[x.ID]\n		if p.inc"},
	{"the format is raised when all read it, before they have promised to", "format.go", "	if promised < f || c.Joint()", "	if f == 0 || c.Joint()"},
	{"a promise of a format is told before it is durable", "format.go", "		r.format, r.hardNumber = f, r.number+1\n", "		r.format = f\n"},
	{"a newcomer is sent all before it has promised to read it", "format.go", "	return p.newest == 0 && x.Role != Learner\n", "	return x.ID > 0\n"},
	{"a change of the members forgets the format", "membership.go", "	next := Membership{Members: slices.Clone(m.Members), Format: m.Format, History: m.History}\n", "	next := Membership{Members: slices.Clone(m.Members)}\n"},
	{"what a release promised for leases is forgotten by one without them", "raft.go", "if t := cfg.TickTime; cfg.Promised > 0 {", "if t := cfg.TickTime; cfg.Promised > 1<<60 {"},
	{"a fenced node stands", "raft.go", "if r.fenced || r.install != nil", "if r.install != nil"},
	{"where the logs agree is sought above the log's beginning", "log.go", "	if limit >= l.before && l.beforeTerm <= term {\n		return l.before, l.beforeTerm\n	}\n	return min(limit, l.before-1), 0\n", "	return min(limit, l.before), l.beforeTerm\n"},
}

// TestMutantsFit: each bug has its one place in the code as it is now.
func TestMutantsFit(t *testing.T) {
	for _, m := range mutants {
		b, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), m.old); n != 1 {
			t.Errorf("%s: %s has %d places for it, not one", m.name, m.file, n)
		}
	}
	t.Logf("%d bugs", len(mutants))
}

// TestMutants builds each once and runs two at a time: by default a few of them, all with
// LITHAIR_LONG=1; MUTANT=text those whose name holds it.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles copies of the package")
	}
	every, runs := 18, 2000
	if os.Getenv("LITHAIR_LONG") != "" {
		every = 1
	}
	var mu sync.Mutex
	var found []int
	t.Run("all", func(t *testing.T) {
		budget := make(chan struct{}, 2)
		for i, m := range mutants {
			if only := os.Getenv("MUTANT"); only == "" && i%every != 0 || !strings.Contains(m.name, only) {
				continue
			}
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				budget <- struct{}{}
				n, by, err := hunt(t, m.file, m.old, m.new, runs)
				<-budget
				if err != nil {
					t.Error(err)
					return
				}
				t.Logf("found in run %d: %s", n, by)
				mu.Lock()
				found = append(found, n)
				mu.Unlock()
			})
		}
	})
	slices.Sort(found)
	if len(found) > 0 {
		t.Logf("%d of %d mutants found, median run %d, worst %d, of at most %d", len(found), len(mutants), found[len(found)/2], found[len(found)-1], runs)
	}
}

var seedOf = regexp.MustCompile(`seed (\d+), step \d+: (.{0,100})`)

// hunt plants one bug, by putting another text in the place of its file, and returns in which
// random run it was found, and what that run said.
func hunt(t *testing.T, file, old, new string, runs int) (int, string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return 0, "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, "", err
	}
	if n := strings.Count(string(b), old); n != 1 {
		return 0, "", fmt.Errorf("%s has %d places for the bug, not one", file, n)
	}
	dir := t.TempDir()
	mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
	if err != nil {
		return 0, "", err
	}
	if err := errors.Join(os.WriteFile(mutant, []byte(strings.Replace(string(b), old, new, 1)), 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		return 0, "", err
	}
	program := filepath.Join(dir, "mutant.test")
	build := exec.Command("go", "test", "-c", "-overlay", overlay, "-vet=off", "-ldflags=-s -w", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, "", fmt.Errorf("the mutant cannot be built: %v: %.600s", err, out)
	}
	cmd := exec.Command(program, "-test.timeout", "120s", "-test.run", "^TestRandomRuns$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LITHAIR_LONG=", "SEED=", "RUNS="+strconv.Itoa(runs), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return 0, "", fmt.Errorf("not found in %d runs", runs)
	}
	if m := seedOf.FindSubmatch(out); m != nil {
		n, err := strconv.Atoi(string(m[1]))
		return n + 1, string(m[2]), err
	}
	return 0, "", fmt.Errorf("neither found nor passed: %.600s", out)
}

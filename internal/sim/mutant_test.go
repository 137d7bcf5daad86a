package sim

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
	"testing"
)

// mutants are bugs of the kind that good databases have had, or this one had. TestMutants plants
// them one at a time, by putting another text in the place of a file, and wants the
// simulator to find each: a hunter that finds nothing proves nothing. Those of the Raft core are
// in its own package.
var mutants = []struct{ name, file, old, new string }{
	// The driver.
	{"entries are reported before they are committed", "consensus/node/pump.go", "		n.report(rd.Committed)\n", "		n.report(rd.Entries)\n"},
	{"an acknowledgement before the sync", "consensus/node/pump.go", "if len(rd.Entries) == 0 && rd.Install == nil {", "if rd.Install == nil {"},
	{"term and vote are not kept", "consensus/node/pump.go", "	if !changed || n.file == nil {", "	if !changed || n.file == nil || len(rd.Committed) == 0 {"},
	{"term and vote are not synced", "consensus/node/identity.go", "		if err := f.file.Sync(); err != nil {\n			return err\n		}\n", ""},
	{"term and vote of a failed sync are believed", "consensus/node/identity.go", "err == nil && found {\n", "err == nil && found && id.ID == 0 {\n"},
	{"term and vote stand in one slot alone", "consensus/node/identity.go", "	for _, slot := range [...]int64{1 - f.newer, f.newer} {\n		if _, err := f.file.WriteAt", "	for _, slot := range [...]int64{int64(f.counter % 2)} {\n		if _, err := f.file.WriteAt"},
	{"the leader's commit index stands in the identity", "consensus/node/pump.go", "n.identity.Commit = n.reported", "n.identity.Commit = rd.Commit"},
	{"a restart takes all of the log for committed", "consensus/node/start.go", "	if n.alone() {\n		commit = n.log.Durable()\n	}\n	re = ", "	commit = n.log.Durable()\n	re = "},
	{"a committed membership is not kept", "consensus/node/pump.go", "n.identity.Membership, n.identity.MembershipIndex, changed = m, e.Index, true", "_, changed = m, true"},
	{"a membership in the log is not found again", "consensus/node/start.go", "			if r.Index > n.identity.MembershipIndex {\n", "			if r.Index > 1<<40 {\n"},
	{"leadership is taken up before the term's first entry is applied", "consensus/node/pump.go", "if n.epoch == 0 && ready && n.reported >= start {", "if n.epoch == 0 && leads && (ready || start > 0) {"},
	{"leadership goes on after it was lost", "consensus/node/pump.go", "if n.epoch != 0 && (!leads || term != n.term) {", "if n.epoch != 0 && leads && term != n.term {"},
	{"what leadership leaves open is said to have failed", "consensus/node/pump.go", "n.endEpoch(false, ErrDeposed)", "n.endEpoch(true, ErrDeposed)"},
	{"writes that found no room count as durable", "consensus/node/pump.go", "	case n.refused == nil:\n", "	case n.refused == nil || k > 0:\n		n.refused = nil\n"},
	{"a linearizable read asks nobody", "consensus/node/node.go", "case level < levelLinearizable:", "case level <= levelLinearizable:"},
	{"a strong read is answered by another leader's entry", "consensus/node/pump.go", "if len(n.strong) > 0 && (!leads || term != n.strong[0].term) {", "if len(n.strong) > 0 && term < n.strong[0].term {"},
	{"conflicting entries stay on disk", "consensus/node/pump.go", "n.log.TruncateAfterAsync(entries[0].Index-1, func", "n.log.TruncateAfterAsync(n.log.Last(), func"},
	// Several groups.
	{"the group is lost on the way: group 0 hears what is said in group 1", "consensus/codec.go", "range [...]uint64{m.Group, uint64(m.From)", "range [...]uint64{0, uint64(m.From)"},
	{"messages of group 1 are handed to group 0", "consensus/node/groups.go", "if receive := here[group]; receive != nil {", "if receive := here[0]; receive != nil {"},
	{"term and vote of one group are written in the file of another", "consensus/node/start.go", "	n.file, id, found, err = openIdentity(n.cfg.FS, n.cfg.Dir, path.Join(n.cfg.Dir, n.cfg.File))\n	switch {\n	case err != nil:\n		return false, err\n	case !found:\n		n.identity = first\n		return false, n.file.write(first)\n	case id.Group != first.Group:\n", "	n.file, id, found, err = openIdentity(n.cfg.FS, n.cfg.Dir, path.Join(\"data\", n.cfg.File))\n	switch {\n	case err != nil:\n		return false, err\n	case !found:\n		n.identity = first\n		return false, n.file.write(first)\n	case id.Group != first.Group && id.Term > 1<<40:\n"},
	{"an identity does not say whose it is", "consensus/node/identity.go", "	case id.Group != 0:\n		magic = groupMagic\n", ""},
	// The log.
	{"no sync of what was written", "eventlog/commit.go", "	return seg.file.Sync()\n}\n\n// refused marks", "	return nil\n}\n\n// refused marks"},
	{"a failed sync is not noticed", "eventlog/commit.go", "	return seg.file.Sync()\n}\n\n// refused marks", "	if err := seg.file.Sync(); errors.Is(err, disk.ErrPower) {\n		return err\n	}\n	return nil\n}\n\n// refused marks"},
	{"a truncation is forgotten by a restart", "eventlog/scan.go", "		im.truncate(seg, f.durable, f.chain)\n		return \"\", nil\n", "		return \"\", nil\n"},
	{"what a killed process has written is taken for durable", "eventlog/log.go", "	if l.im.tail > 0 {\n		b :=", "	if l.im.tail < 0 {\n		b :="},
	{"a torn tail stays", "eventlog/log.go", "	if l.im.cut > 0 {\n", "	if l.im.cut < 0 {\n"},
	{"a damaged record is cut off as if it were torn", "eventlog/scan.go", "	if at >= 0 {\n		return bad(", "	if at > seg.size {\n		return bad("},
	// The engine.
	{"an answer before the commit", "engine/executor.go", "ex.waiting[n].wait <= ex.committed.Seq()", "ex.waiting[n].wait <= ex.head.Seq()"},
	{"a refused proposal lets go of what read uncommitted", "engine/executor.go", "				waiting = append(waiting, c)\n", "				ex.end(c, c.Err)\n"},
	{"a refusal of a leader that was deposed", "engine/batch.go", "		c.round, ex.doubtful = ex.round, ex.round\n", ""},
	{"answers for retries are not kept", "engine/batch.go", "		return tx.remember(id, ans)\n", "		return nil\n"},
	{"answers for retries are forgotten at once", "engine/idempotency.go", "if tx.Now().Sub(s.At) > IdempotencyWindow {", "if tx.Now().Sub(s.At) > time.Second {"},
	{"a retry is answered for another actor", "engine/idempotency.go", "	h.Write([]byte(c.IdemKey))\n", "	h.Write([]byte(c.IdemKey)[:min(4, len(c.IdemKey))])\n"},
	{"calls in flight are forgotten when leadership is lost: they succeed", "engine/executor.go", "ex.end(c, &LostError{Unknown: !known && c.wrote, Cause: cause})", "ex.end(c, nil)"},
	{"a lost write is said to have failed", "engine/executor.go", "Unknown: !known && c.wrote, Cause: cause", "Unknown: !known && c.wait == 0, Cause: cause"},
	{"a transaction that failed leaves what it wrote", "engine/batch.go", "		b.batch.Rollback(mark)\n", "		_ = mark\n"},
	{"a read is served before what it must see is applied", "engine/wait.go", "return e.stats.applied.Load() >= index }", "return e.stats.applied.Load()+2 >= index }"},
	{"time is the clock's", "engine/executor.go", "now: max(ex.head.Time()+1, clock)", "now: clock"},
	{"a follower passes over the end of a batch", "engine/follow.go", "				f.seq = s\n				done, err := applyTx(f.batch, s, msg)\n", "				f.seq = s\n				if s == h.first+h.count-1 && h.count > 2 {\n					return nil\n				}\n				done, err := applyTx(f.batch, s, msg)\n"},
	{"a snapshot names an earlier place than it holds", "engine/snapshot.go", "at.Position, err = e.order.Position(p.index); err", "at.Position, err = e.order.Position(max(p.index-1, e.order.First())); err"},
	{"a snapshot is renamed before it is durable", "engine/snapshot.go", "	if err == nil {\n		err = file.Sync()\n	}\n", ""},
	{"sessions are missing from a snapshot", "state/snapshot.go", "	header := r.appendSnapshotHeader(nil, note)\n", "	lost := *r\n	lost.tables = append([]*table(nil), r.tables...)\n	for i, t := range lost.tables {\n		if t != nil && t.schema.Model == \"_idempotency\" {\n			c := t.clone()\n			for k, row := range r.Scan(uint32(i), Range{}) {\n				if err := c.set(k, row, nil, &scratch{}); err != nil {\n					return err\n				}\n			}\n			c.freeze()\n			lost.tables[i] = c\n		}\n	}\n	r = &lost\n	header := r.appendSnapshotHeader(nil, note)\n"},
	// Snapshots between nodes.
	{"a snapshot without the membership in force", "consensus/node/installs.go", "	n.identity.Membership, n.identity.MembershipIndex = m, at.Index\n", "	n.identity.MembershipIndex = at.Index\n"},
	{"a snapshot with the newest membership, not that of its place", "consensus/node/installs.go", "c.Index <= index && len(", "index > 0 && len("},
	{"a snapshot is installed and nothing has said so before", "consensus/node/installs.go", "	n.identity.Install = at\n", "	_ = n.identity.Install\n"},
	{"an installation that was interrupted is not finished", "consensus/node/installs.go", "	case at == (eventlog.Position{}):\n		return nil\n	case held != at || n.snaps == nil:", "	case at == (eventlog.Position{}) || held == at:\n		return nil\n	case held != at || n.snaps == nil:"},
	{"an installation that was interrupted counts as done", "consensus/node/installs.go", "	if !n.log.Begun(at) {\n", "	if n.log.Last() > at.Index && !n.log.Begun(at) {\n"},
	{"the log does not begin anew behind a snapshot", "consensus/node/installs.go", "	n.log.ResetAsync(at, func", "	n.log.TruncateAfterAsync(n.log.First()-1, func"},
	{"a snapshot is acknowledged before the log has begun anew", "consensus/node/pump.go", "if len(rd.Entries) == 0 && rd.Install == nil {", "if len(rd.Entries) == 0 {"},
	{"the state of a snapshot is not shown", "engine/install.go", "	e.tell(event{install: &point{in.root, in.at.Index}})\n", ""},
	{"the applied index is past that of the snapshot", "engine/install.go", "	ex.head, ex.applied = root, index\n", "	ex.head, ex.applied = root, index+3\n"},
	{"what arrived is renamed before it is durable", "engine/install.go", "	if err == nil {\n		err = in.file.Sync()\n	}\n", ""},
	{"the name of what arrived is not durable", "engine/install.go", "	if err == nil {\n		err = snaps.cfg.FS.SyncDir(snaps.cfg.Dir)\n	}\n	if err != nil {\n		return err\n	}\n	snaps.mu.Lock()", "	if err != nil {\n		return err\n	}\n	snaps.mu.Lock()"},
	{"a log that begins anew forgets the chain", "eventlog/reset.go", "salt: l.cfg.Salt(), chain: begin.Chain, loose", "salt: l.cfg.Salt(), loose"},
	{"a piece that is lost is not asked for again", "consensus/snapshot.go", "again && in.quiet < in.patience {", "again {"},
	{"a checkpoint is of the state before", "engine/follow.go", "			ex.settle(f)\n			*f = *ex.follow()\n			ex.checkpointed(&r)\n", "			ex.checkpointed(&r)\n			ex.settle(f)\n			*f = *ex.follow()\n"},
	{"one snapshot is offered, and then none", "consensus/node/snapshots.go", "	n.preparing = false\n", ""},
	// Leases; one without a margin for clocks is planted in the core's own runs.
	{"a lease is measured by a clock that stops while the machine sleeps", "internal/sim/machine.go", "Uptime: m.clock.uptime", "Uptime: m.clock.awake"},
	{"a lease's time has no end", "consensus/node/lease.go", "r.first <= answered && now-r.at < n.leaseTime()", "r.first <= answered && now >= r.at"},
	// Formats.
	{"the format is raised with a member that reads the older one alone", "consensus/format.go", "		f, promised = min(f, p.newest), min(promised, p.promised)\n", "		if p.newest > c.ActiveFormat() {\n			promised = min(promised, p.promised)\n		}\n"},
	{"the format is raised without asking learners", "consensus/format.go", "		if x.ID == r.cfg.ID {\n			continue\n		}\n		p := r.peers[x.ID]\n		if p.inc", "		if x.ID == r.cfg.ID || x.Role == Learner {\n			continue\n		}\n		p := r.peers[x.ID]\n		if p.inc"},
	{"the format is raised when all read it, before they have promised to", "consensus/format.go", "	if promised < f || c.Joint()", "	if f == 0 || c.Joint()"},
	{"a promise of a format is not kept", "consensus/node/pump.go", "n.identity.Format, changed = rd.HardState.Term, rd.HardState.Vote, rd.HardState.Format, true", "changed = rd.HardState.Term, rd.HardState.Vote, true"},
	{"a promise of a format is told before it is durable", "consensus/format.go", "		r.format, r.hardNumber = f, r.number+1\n", "		r.format = f\n"},
	{"a newcomer is sent all before it has promised to read it", "consensus/format.go", "	return p.newest == 0 && x.Role != Learner\n", "	return x.ID > 0\n"},
	{"an older release starts with what it does not read", "consensus/node/start.go", "	if f <= n.cfg.Formats.Newest {\n", "	n.cfg.Formats.Newest = max(n.cfg.Formats.Newest, f)\n	if f <= n.cfg.Formats.Newest {\n"},
	{"a change of the members forgets the format", "consensus/membership.go", "	next := Membership{Members: slices.Clone(m.Members), Format: m.Format, History: m.History}\n", "	next := Membership{Members: slices.Clone(m.Members)}\n"},
	{"a change of the members forgets the history", "consensus/membership.go", "	next := Membership{Members: slices.Clone(m.Members), Format: m.Format, History: m.History}\n", "	next := Membership{Members: slices.Clone(m.Members), Format: m.Format}\n"},
	{"a snapshot forgets the format", "consensus/node/installs.go", "			return consensus.AppendMembership(nil, c.Membership)\n", "			return consensus.AppendMembership(nil, consensus.Membership{Members: c.Membership.Members})\n"},
	{"what is new in a format is written before it is active", "consensus/format.go", "	if r.log.config().ActiveFormat() < formatNamed {\n", "	if r.cfg.Formats.Newest < formatNamed {\n"},
	// Repairs.
	{"a node that lost the end of its log votes on", "consensus/node/repair.go", "	if err := renew(r.cfg.FS, r.cfg.Dir, r.cfg.File, r.cfg.Incarnation, r.cfg.Held, eventlog.Position{}, r.id.Membership); err != nil {", "	if err := error(nil); err != nil {"},
}

// twofold are bugs behind which there is a second line of defence, so that it takes two of them.
var twofold = []struct {
	name  string
	edits [2]edit
}{
	{"records are filled in though the chain does not lead through them", [2]edit{
		{"eventlog/gap.go", "	problem, err := g.next.eachRecord(", "	return true\n	problem, err := g.next.eachRecord("},
		{"eventlog/mend.go", "keys: m.l.cfg.Keys, deep: true}", "keys: m.l.cfg.Keys}"},
	}},
	{"an older release takes a snapshot of a newer format", [2]edit{
		{"consensus/format.go", "	return p.newest == 0 && x.Role != Learner\n", "	return x.ID > 0\n"},
		{"consensus/format.go", "	if !r.cfg.Formats.Reads(active) {\n", "	if !r.cfg.Formats.Reads(active) && m.Kind == MsgAppend {\n"},
	}},
	{"a lease begins when the answer comes, not when the question left", [2]edit{
		{"consensus/node/pump.go", "	n.noteRound(rd.Messages)\n", ""},
		{"consensus/node/node.go", "		n.detach(&messages[i])\n", "		n.detach(&messages[i])\n		if m := &messages[i]; m.Kind == consensus.MsgAppendResp && m.Seq > 0 {\n			n.rounds = append(n.rounds, round{m.Seq, m.Seq, n.cfg.Uptime()})\n		}\n"},
	}},
	{"the end of a log is filled in from another member, committed or not", [2]edit{
		{"eventlog/gap.go", "	if g.next == nil || g.next.kind != frameBatch {\n", "	if g.sum == (Sum{}) {\n		return true\n	}\n	if g.next == nil || g.next.kind != frameBatch {\n"},
		{"eventlog/mend.go", "	if g.toSeg < 0 || g.backwards() && g.seg >= 0 {\n", "	if g.toSeg < 0 && g.seg >= 0 {\n		g.toSeg, g.toFrame, g.before = len(m.l.im.segments), g.frame+1, g.last+2\n		return true\n	}\n	if g.backwards() && g.seg >= 0 {\n"},
	}},
}

// edit puts another text in the one place of a file that has the old one.
type edit struct{ file, old, new string }

// TestMutantsFit: each bug has its place in the code as it is now.
func TestMutantsFit(t *testing.T) {
	for _, m := range planted() {
		for _, e := range m.edits {
			b, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(e.file)))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(b), e.old); n != 1 {
				t.Errorf("%s: %s has %d places for it, not one", m.name, e.file, n)
			}
		}
	}
	t.Logf("%d bugs", len(planted()))
}

// within is how many runs each bug must be found in; rare, those that are named here. A torn tail that
// stays does harm only if longer frames were torn than follow, up to the end of the segment, and the
// node starts again before the segment is trimmed; eventlog's own tests find it at once. A lease without an end does harm only between the
// end of what members have promised and the moment when its leader notices that it hears nobody. That a log is damaged up to its
// end happens in one run of forty, and does harm only where what is lost decides; consensus/node's tests find it at once.
const within = 1000

var rare = map[string]int{"a torn tail stays": 10_000, "a node that lost the end of its log votes on": 6000, "a lease's time has no end": 6000}

// bug is one of either list.
type bug struct {
	name  string
	edits []edit
}

func planted() (list []bug) {
	for _, m := range mutants {
		list = append(list, bug{m.name, []edit{{m.file, m.old, m.new}}})
	}
	for _, m := range twofold {
		list = append(list, bug{m.name, m.edits[:]})
	}
	return list
}

// TestMutants takes some seconds for each: by default one of them, all with LITHAIR_LONG=1.
// MUTANT=text plants those whose name holds it.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the module with other texts")
	}
	every, only := 80, os.Getenv("MUTANT")
	if os.Getenv("LITHAIR_LONG") != "" || only != "" {
		every = 1
	}
	var found []int
	bugs := planted()
	for i, m := range bugs {
		if i%every != 0 || !strings.Contains(m.name, only) {
			continue
		}
		n, how, err := hunt(t, max(within, rare[m.name]), m.edits)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		t.Logf("found in run %4d: %s: %s", n, m.name, how)
		found = append(found, n)
	}
	if slices.Sort(found); len(found) > 0 {
		t.Logf("%d found of %d planted; median run %d, worst %d", len(found), len(bugs), found[len(found)/2], found[len(found)-1])
	}
}

var (
	verdict  = regexp.MustCompile(`seed (\d+): after \S+: (.*)`)
	panicked = regexp.MustCompile(`(?m)^(panic|fatal error): (.*)`)
)

// hunt plants one bug and returns in which run it was found, and what was seen of it.
func hunt(t *testing.T, runs int, edits []edit) (run int, how string, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 0, "", err
	}
	dir, replace := t.TempDir(), map[string]string{}
	for i, e := range edits {
		name := filepath.Join(root, filepath.FromSlash(e.file))
		from := name
		if edited := replace[name]; edited != "" {
			from = edited
		}
		b, err := os.ReadFile(from)
		if err != nil {
			return 0, "", err
		}
		if n := strings.Count(string(b), e.old); n != 1 {
			return 0, "", fmt.Errorf("%s has %d places for the bug, not one", e.file, n)
		}
		replace[name] = filepath.Join(dir, fmt.Sprintf("mutant%d.go", i))
		if err := os.WriteFile(replace[name], []byte(strings.Replace(string(b), e.old, e.new, 1)), 0o600); err != nil {
			return 0, "", err
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		return 0, "", err
	}
	cmd := exec.Command("go", "test", "-overlay", overlay, "-vet=off", "-count=1", "-timeout", "30m", "-run", "^TestRuns$", "./internal/sim")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "LITHAIR_LONG=", "SEED=", "MESSAGES=", "RUNS="+strconv.Itoa(runs))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return 0, "", fmt.Errorf("not found in %d runs", runs)
	}
	if m := verdict.FindSubmatch(out); m != nil {
		n, err := strconv.Atoi(string(m[1]))
		return n + 1, string(m[2]), err
	}
	if m := panicked.FindSubmatch(out); m != nil && !strings.Contains(string(m[2]), "timed out") {
		return 0, "", fmt.Errorf("the test itself failed: %s", m[0])
	}
	return 0, "", errors.New("neither found nor passed: " + string(out[:min(len(out), 800)]))
}

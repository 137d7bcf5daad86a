package consensus

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// disk3 is a restart with terms 1, 1, 3, 3, 4 behind nothing, in term 5.
func disk3() Restart {
	return Restart{HardState: HardState{Term: 5}, Runs: []TermRun{{1, 1}, {3, 3}, {5, 4}}, LastIndex: 5, Commit: 2, Configs: []ConfigAt{{0, Voters(1, 2, 3)}}}
}

func TestLogTerms(t *testing.T) {
	l := newLog(noStorage{}, disk3(), 0, 1<<20)
	for i, want := range []uint64{0, 1, 1, 3, 3, 4} {
		if got, ok := l.term(uint64(i)); !ok || got != want {
			t.Errorf("entry %d is of term %d (%v), not %d", i, got, ok, want)
		}
	}
	if _, ok := l.term(6); ok {
		t.Error("an entry behind the last one has a term")
	}
	for _, c := range []struct{ limit, term, index, found uint64 }{
		{9, 9, 5, 4}, {5, 4, 5, 4}, {5, 3, 4, 3}, {5, 2, 2, 1}, {4, 9, 4, 3}, {2, 1, 2, 1}, {5, 0, 0, 0}, {0, 9, 0, 0},
	} {
		if i, at := l.lastOfTerm(c.limit, c.term); i != c.index || at != c.found {
			t.Errorf("the last up to %d of term %d at most is %d of term %d, not %d of %d", c.limit, c.term, i, at, c.index, c.found)
		}
	}
	for _, c := range []struct {
		index, term uint64
		ok          bool
	}{{5, 4, true}, {4, 4, false}, {1, 5, true}, {9, 3, false}, {6, 4, true}} {
		if got := l.upToDate(c.index, c.term); got != c.ok {
			t.Errorf("a log that ends at %d of term %d is up to date: %v", c.index, c.term, got)
		}
	}
}

// What is cut is no longer durable, whatever writes of it are still under way; a configuration
// goes with its entry.
func TestLogTruncates(t *testing.T) {
	l := newLog(noStorage{}, disk3(), 0, 1<<20)
	l.append(Entry{Index: 6, Term: 5}, Entry{Index: 7, Term: 5})
	l.configs = append(l.configs, newConfig(7, Voters(1, 2)))
	if w := l.toWrite(1); len(w) != 2 || w[0].Index != 6 {
		t.Fatalf("%+v", w)
	}
	l.append(Entry{Index: 6, Term: 6})
	if l.last != 6 || l.durable != 5 || l.config().index != 0 {
		t.Fatalf("last %d, durable %d, configuration %d", l.last, l.durable, l.config().index)
	}
	l.persisted(1) // of the entries that were cut
	if l.durable != 5 {
		t.Fatalf("durable %d: an entry that was cut counts", l.durable)
	}
	if w := l.toWrite(2); len(w) != 1 || w[0].Term != 6 {
		t.Fatalf("%+v", w)
	}
	l.persisted(2)
	if l.durable != 6 {
		t.Fatalf("durable %d", l.durable)
	}
	for _, broken := range []func(){
		func() { l.append(Entry{Index: 2, Term: 9}) },      // committed
		func() { l.append(Entry{Index: 9, Term: 9}) },      // a gap
		func() { l.append(Entry{Index: 7, Term: 2}) },      // a term that falls
		func() { l.commitTo(8) },                           // nothing there
		func() { l.appliedTo(3) },                          // never given out
		func() { l.compact(2) },                            // not applied
		func() { l.reset(Snapshot{Index: 1, Term: 1}, 1) }, // older than the commit
	} {
		func() {
			defer func() {
				if e := recover(); e == nil || !strings.Contains(fmt.Sprint(e), "invariant broken") {
					t.Errorf("no broken invariant: %v", e)
				}
			}()
			broken()
		}()
	}
}

func TestLogCompacts(t *testing.T) {
	r := disk3()
	r.Commit, r.Applied = 5, 5
	l := newLog(noStorage{}, r, 0, 1<<20)
	for _, c := range []struct {
		index uint64
		runs  []TermRun
	}{{1, []TermRun{{2, 1}, {3, 3}, {5, 4}}}, {3, []TermRun{{4, 3}, {5, 4}}}, {2, []TermRun{{4, 3}, {5, 4}}}, {5, nil}} {
		l.compact(c.index)
		if !reflect.DeepEqual(l.runs, c.runs) {
			t.Errorf("behind %d: %v, not %v", c.index, l.runs, c.runs)
		}
	}
	if term, ok := l.term(5); !ok || term != 4 {
		t.Errorf("the place before the log is of term %d (%v)", term, ok)
	}
	if _, ok := l.term(4); ok {
		t.Error("what was compacted has a term")
	}
	if _, err := l.entries(5, 6, 100); !errors.Is(err, ErrCompacted) {
		t.Errorf("%v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{ID: 1, Storage: noStorage{}}
	for _, c := range []struct {
		field string
		set   func(*Config)
	}{
		{"ID", func(c *Config) { c.ID = 0 }}, {"Storage", func(c *Config) { c.Storage = nil }},
		{"HeartbeatTicks", func(c *Config) { c.ElectionTicks, c.HeartbeatTicks = 5, 3 }},
		{"ElectionTicks", func(c *Config) { c.ElectionTicks = -1 }}, {"MaxMessageBytes", func(c *Config) { c.MaxMessageBytes = -1 }},
		{"MaxInflight", func(c *Config) { c.MaxInflight = -1 }}, {"MaxInflightBytes", func(c *Config) { c.MaxInflightBytes = -1 }},
		{"MaxUncommittedBytes", func(c *Config) { c.MaxUncommittedBytes = -1 }}, {"MaxUnappliedBytes", func(c *Config) { c.MaxUnappliedBytes = -1 }},
		{"MaxTailBytes", func(c *Config) { c.MaxTailBytes = -1 }}, {"MaxChunkBytes", func(c *Config) { c.MaxChunkBytes = -1 }},
		{"FastFailover", func(c *Config) { c.FastFailover, c.LeaseReads = true, true }},
	} {
		bad := good
		c.set(&bad)
		if _, err := New(bad, Restart{}); err == nil || !strings.Contains(err.Error(), "Config."+c.field) {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	if r, err := New(good, Restart{}); err != nil || r.cfg.ElectionTicks != 10 || r.cfg.MaxInflight != 256 {
		t.Errorf("%v: %+v", err, r)
	}
}

// TestRestartRefusesALostLog: what cannot be the disk of a replica is an error, above all one that
// has lost what was promised.
func TestRestartRefusesALostLog(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Restart)
		want string
	}{
		{"sound", func(*Restart) {}, ""},
		{"the hard state is gone", func(r *Restart) { r.HardState = HardState{} }, "it was lost"},
		{"the log ends before it begins", func(r *Restart) { r.BeforeIndex = 9 }, "LastIndex"},
		{"the tail was cut though committed", func(r *Restart) { r.Commit = 6 }, "Commit"},
		{"applied and not committed", func(r *Restart) { r.Applied = 3 }, "Applied"},
		{"no terms", func(r *Restart) { r.Runs = nil }, "Runs"},
		{"a hole in the terms", func(r *Restart) { r.Runs[0].First = 2 }, "Runs[0]"},
		{"terms that fall", func(r *Restart) { r.Runs[2].Term = 2 }, "Runs[2]"},
		{"terms behind the end", func(r *Restart) { r.Runs[2].First = 6 }, "Runs[2]"},
		{"a configuration behind the end", func(r *Restart) { r.Configs = append(r.Configs, ConfigAt{6, Voters(1)}) }, "Configs[1]"},
		{"a configuration twice", func(r *Restart) { r.Configs = append(r.Configs, ConfigAt{0, Voters(1)}) }, "Configs[1]"},
		{"a configuration without voters", func(r *Restart) { r.Configs[0].Membership.Members = []Member{{ID: 1}} }, "Configs[0]"},
	} {
		r := disk3()
		c.set(&r)
		_, err := New(Config{ID: 1, Storage: noStorage{}}, r)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// Messages for others change nothing.
func TestWrongAddressees(t *testing.T) {
	r := lead(t, Config{Group: 0}, Voters(1, 2, 3))
	before := r.Status()
	for _, c := range []struct {
		m    Message
		want error
	}{
		{Message{Kind: MsgAppend, Group: 4, From: 2, To: 1, Term: 9}, ErrWrongGroup},
		{Message{Kind: MsgAppend, From: 2, To: 3, Term: 9}, ErrWrongNode},
		{Message{Kind: MsgAppend, From: 1, To: 1, Term: 9}, ErrMalformed},
		{Message{Kind: MsgAppend, To: 1, Term: 9}, ErrMalformed},
		{Message{Kind: 99, From: 2, To: 1, Term: 9}, ErrMalformed},
		{Message{Kind: MsgAppend, From: 2, To: 1, Term: 9, Index: 4, Entries: []Entry{{Index: 6}}}, ErrMalformed},
		{Message{Kind: MsgAppend, From: 2, To: 1, Term: 9, Entries: []Entry{{Index: 1, Term: 10}}}, ErrMalformed},
		{Message{Kind: MsgAppend, From: 2, To: 1, Term: 9, Entries: []Entry{{Index: 1, Term: 9, Kind: KindConfig, Data: []byte("x")}}}, ErrMalformed},
		{Message{Kind: MsgSnapshot, From: 2, To: 1, Term: 9}, ErrMalformed},
		{Message{Kind: MsgSnapshot, From: 2, To: 1, Term: 9, Snapshot: &Snapshot{Index: 4, Term: 2}}, ErrMalformed},
	} {
		if err := r.Step(c.m); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.m, err, c.want)
		}
	}
	if after := r.Status(); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v became %+v", before, after)
	}
}

// Each candidacy draws another timeout, between one and two election timeouts (§3.4).
func TestTimeoutsAreDrawnAnew(t *testing.T) {
	r := follower(t, false, 1)
	seen := map[int]int{}
	for range 200 {
		r.stand(false)
		if r.timeout < 10 || r.timeout >= 20 {
			t.Fatalf("a timeout of %d ticks", r.timeout)
		}
		seen[r.timeout]++
	}
	if len(seen) != 10 {
		t.Errorf("timeouts drawn: %v", seen)
	}
}

// The same seed gives the same run, message by message.
func TestSameCallsSameResults(t *testing.T) {
	for seed := range uint64(10) {
		a, b := story(t, seed), story(t, seed)
		if len(a) < 100 || !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d: two runs of %d and %d lines differ", seed, len(a), len(b))
		}
	}
}

func story(t *testing.T, seed uint64) []string {
	c := newCluster(t, seed, 5, nil)
	c.verbose = true
	for range 3000 {
		c.step()
	}
	return c.log
}

// An entry beyond the limit of a message goes alone, and the rest goes on.
func TestLargeEntriesGoAlone(t *testing.T) {
	r := lead(t, Config{MaxMessageBytes: 100}, Voters(1, 2, 3))
	for _, n := range []int{10, 500, 10, 500, 500} {
		if _, err := r.Propose(FirstKind, 0, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := settleDisk(t, r)
	var got []int
	for _, m := range out {
		if m.To == 2 && len(m.Entries) > 0 {
			got = append(got, len(m.Entries))
		}
	}
	if !reflect.DeepEqual(got, []int{1, 1, 1, 1, 1}) {
		t.Errorf("entries per message: %v", got)
	}
}

// TestAppendAllocations pins what a log that has the memory allocates for an entry that is appended, written, committed,
// applied and dropped: nothing.
func TestAppendAllocations(t *testing.T) {
	r := disk3()
	r.Runs = []TermRun{{1, 1}}
	r.LastIndex, r.Commit, r.Applied = 1000, 1000, 1000 // indexes below 256 are boxed without an allocation
	l := newLog(noStorage{}, r, 1<<30, 1<<20)
	l.tail = make([]Entry, 0, 1000)
	number := uint64(0)
	if n := testing.AllocsPerRun(200, func() {
		number++
		l.append(Entry{Index: l.last + 1, Term: 1})
		l.toWrite(number)
		l.persisted(number)
		l.commitTo(l.last)
		if _, err := l.toApply(1 << 20); err != nil {
			t.Fatal(err)
		}
		l.appliedTo(l.last)
	}); n != 0 {
		t.Errorf("%v allocations for an entry", n)
	}
}

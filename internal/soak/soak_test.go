package soak

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/cmd/bench/node"
	"github.com/lithair/lithair-go/internal/fleet"
)

func TestMain(m *testing.M) {
	fleet.RunNode(node.Run)
	os.Exit(m.Run())
}

// TestSoak is one short round, with a node killed, the leader stopped, a full disk and a backup; the long form is several.
func TestSoak(t *testing.T) {
	cfg := Config{Length: 10 * time.Second, Round: 10 * time.Second, Every: 5 * time.Second, Seed: 246}
	if os.Getenv("LITHAIR_LONG") != "" {
		cfg.Length, cfg.Round = 5*time.Minute, 30*time.Second
	}
	rep, err := Run(t.Context(), cfg, t.Output())
	if rep != nil {
		if e := rep.Print(t.Output()); e != nil {
			t.Error(e)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"change a register", "create a note", "upload a file", "read a file", "room: send", "backup", "live query: diffs", "read a list of the past"} {
		if c := rep.Operations[kind]; c == nil || c.Acknowledged == 0 {
			t.Errorf("nothing of this was acknowledged: %s", kind)
		}
	}
	for _, check := range []string{"operations put in a linear order", "notes of a node", "live query against the newest list", "live query against the list at the sequence", "file read whole", "room: same order for two members", "restored node has the cluster's hash"} {
		if rep.Checks[check] == 0 {
			t.Errorf("this was not checked: %s", check)
		}
	}
	if len(rep.Faults) < 3 {
		t.Errorf("faults: %v", rep.Faults)
	}
}

// TestPlan: it follows from the seed, and deals all faults before any comes again.
func TestPlan(t *testing.T) {
	cfg := Config{Length: 10 * time.Minute, Seed: 7}
	p := NewPlan(cfg)
	if !reflect.DeepEqual(p, NewPlan(cfg)) {
		t.Error("the same seed gives another plan")
	}
	cfg.Seed++
	if reflect.DeepEqual(p.Rounds, NewPlan(cfg).Rounds) {
		t.Error("another seed gives the same plan")
	}
	var dealt []string
	for _, steps := range p.Rounds {
		end := time.Duration(0)
		for _, s := range steps {
			if s.At < end || s.At+s.For > 45*time.Second+time.Millisecond {
				t.Errorf("a step is within another, or beyond the round: %+v", s)
			}
			end, dealt = s.At+s.For, append(dealt, s.Fault)
		}
	}
	seen := map[string]bool{}
	for _, name := range dealt[:len(kinds())] {
		seen[name] = true
	}
	if len(seen) != len(kinds()) {
		t.Errorf("the first %d faults are of %d kinds", len(kinds()), len(seen))
	}
	if s := p.String(); strings.Count(s, "\n") != len(p.Rounds)+1 {
		t.Error(s)
	}
	t.Logf("%d faults of %d kinds in %d rounds", len(dealt), len(kinds()), len(p.Rounds))
}

// TestTrends: what grows beyond its bound is found.
func TestTrends(t *testing.T) {
	var out bytes.Buffer
	r := &run{t: &reporter{out: &out, begun: time.Now()}, tally: newTally(), round: 6, samples: make([][]Sample, nodes), peaks: make([]Sample, nodes)}
	for i := range nodes {
		for k := range 6 {
			s := Sample{Round: k + 1, RSS: 100 << 20, Live: 20 << 20, Files: 50, Goroutines: 100}
			if i == 1 {
				s.Files += float64(5 * k)
			}
			r.samples[i] = append(r.samples[i], s)
		}
	}
	r.judgeSamples()
	if len(r.t.problems) != 1 || !strings.Contains(r.t.problems[0], "descriptors of node 2: 55 in the first third of rounds, 75 in the last") {
		t.Errorf("%q", r.t.problems)
	}
}

// TestWords: lines of the log are counted by level and message.
func TestWords(t *testing.T) {
	dir := t.TempDir()
	text := "a banner\n" + `{"level":"WARN","msg":"a"}` + "\n" + `{"level":"ERROR","msg":"b"}` + "\n" + `{"level":"WARN","msg":"a"}` + "\n" + `{"other":1}` + "\n"
	if err := os.WriteFile(dir+"/node1.log", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readWords(dir)
	if want := map[string]int{"WARN a": 2, "ERROR b": 1}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// TestBadWords: what no fault explains is found.
func TestBadWords(t *testing.T) {
	got := badWords(map[string]int{"ERROR this node is fenced": 1, "WARN writes interrupted": 3, "ERROR the log is damaged: start this node again": 2, "ERROR no snapshot could be written; a start takes longer until one is": 1})
	if want := []string{"ERROR the log is damaged: start this node again", "ERROR this node is fenced"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, never := range neverWords { // a message that nobody says any more finds nothing
		said := strings.TrimPrefix(never, "ERROR ")
		if !slices.ContainsFunc(sources(t), func(text string) bool { return strings.Contains(text, `"`+said) }) {
			t.Errorf("no package says %q", said)
		}
	}
}

// sources are the files of the packages that a node is made of.
func sources(t *testing.T) (texts []string) {
	t.Helper()
	for _, dir := range []string{"", "engine", "consensus/node", "live", "eventlog"} {
		names, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err != nil {
				t.Error(err)
			} else if !strings.HasSuffix(name, "_test.go") {
				texts = append(texts, string(b))
			}
		}
	}
	return texts
}

// TestChecksThatWereNotMade fail a run.
func TestChecksThatWereNotMade(t *testing.T) {
	r := &run{t: &reporter{out: io.Discard, begun: time.Now()}, tally: newTally()}
	for _, name := range mustCheck[1:] {
		r.tally.check(name, 1)
	}
	r.judgeChecks()
	if len(r.t.problems) != 1 || !strings.Contains(r.t.problems[0], "this was not checked: "+mustCheck[0]) {
		t.Errorf("%q", r.t.problems)
	}
}

// TestLongFolder: a folder whose name is too long for a socket is refused, and left as it was.
func TestLongFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Config{Dir: dir, Length: time.Second}, t.Output()); err == nil || !strings.Contains(err.Error(), "Config.Dir") {
		t.Errorf("%v", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

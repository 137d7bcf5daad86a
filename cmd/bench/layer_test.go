package main

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLayersMeasure: every layer gives a figure for every contestant, in every column that is compared.
func TestLayersMeasure(t *testing.T) {
	o := options{rounds: 1, clients: 2, d: 20 * time.Millisecond, seed: 1, dir: t.TempDir()}
	rep := newReport()
	for _, c := range []struct {
		name    string
		tables  int
		measure func() error
	}{
		{"wire", 3, func() error { return measureWire(o, rep, 0, []string{"plain", "json", "echo"}) }},
		{"ws", 2, func() error { return measureWS(o, rep, 0, []int{64, 16 << 10}) }},
		{"json", 4, func() error {
			return measureJSON(o, rep, []string{"small"}, []string{"decode", "any", "encode", "valid"})
		}},
		{"binenc", 2, func() error { return measureBin(o, rep) }},
		{"log", 3, func() error { return measureLog(o, rep, []string{"sync1", "sync64", "sync64x4k"}) }},
		{"raft", 2, func() error { return measureRaft(o, rep, []int{4}) }},
		{"cluster", 3, func() error {
			return measureCluster(clusterOptions{options: o, records: 50}, rep, []string{"post", "get", "linearizable"})
		}},
	} {
		rep.Tables = nil
		if err := c.measure(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(rep.Tables) != c.tables {
			t.Errorf("%s: %d tables, want %d", c.name, len(rep.Tables), c.tables)
		}
		for _, table := range rep.Tables {
			for _, r := range table.Rows {
				for _, col := range table.Columns {
					// CPU time of another process is counted in ticks of 10 ms, and may be none.
					if f := r.Figures[col.Name]; col.Ratio && (f.Rounds != 1 || f.Median <= 0 && col.Name != "cpu_us") {
						t.Errorf("%s, %s, %s: %+v", table.Case, r.Contestant, col.Name, f)
					}
				}
			}
		}
	}
	for _, err := range []error{measureWire(o, rep, 0, []string{"fly"}), measureJSON(o, rep, []string{"fly"}, nil), measureJSON(o, rep, []string{"small"}, []string{"fly"}), measureLog(o, rep, []string{"fly"}), measureCluster(clusterOptions{options: o, records: 50}, rep, []string{"fly"})} {
		if err == nil || !strings.Contains(err.Error(), "fly") {
			t.Errorf("an unknown case: %v", err)
		}
	}
}

// TestBothSidesOfWireAnswerTheSame, so that both do the same work.
func TestBothSidesOfWireAnswerTheSame(t *testing.T) {
	servers, err := pair(options{}, []string{"rival", "http", "-addr", "{addr}"}, "net/http", "wire")
	if err != nil {
		t.Fatal(err)
	}
	defer servers[0].stop()
	defer servers[1].stop()
	for _, c := range wireCases {
		request, err := wireRequest(c.name)
		if err != nil {
			t.Fatal(err)
		}
		var bodies [2]string
		for i, p := range servers {
			bodies[i] = bodyOf(t, p.addr, request)
		}
		if bodies[0] != bodies[1] || bodies[0] == "" {
			t.Errorf("%s: net/http answers %q, wire %q", c.name, bodies[0], bodies[1])
		}
	}
}

func TestCompareJudgesByRatioAndNoise(t *testing.T) {
	cols := []column{{Name: "rate", Unit: "req/s", Ratio: true}}
	run := func(base, us []float64) *report {
		rep := &report{Commit: "c"}
		rep.add("case", "", []string{"them", "us"}, map[string]samples{"them": {"rate": base}, "us": {"rate": us}}, cols)
		return rep
	}
	before := run([]float64{100, 102, 101}, []float64{200, 202, 201})
	for _, c := range []struct {
		name     string
		now      *report
		us, them string
	}{
		{"everything half as fast: so is the machine", run([]float64{50, 51, 50}, []float64{100, 101, 100}), same, worse},
		{"ours alone half as fast", run([]float64{100, 101, 100}, []float64{100, 101, 100}), worse, same},
		{"ours twice as fast", run([]float64{100, 101, 100}, []float64{400, 401, 400}), better, same},
		{"a tenth slower, with a noise of a quarter", run([]float64{100, 101, 100}, []float64{160, 210, 185}), same, same},
	} {
		doc := &bytes.Buffer{}
		if err := c.now.print(doc, true); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := compare(&out, before, c.now); err != nil {
			t.Fatal(err)
		}
		for who, want := range map[string]string{"  us ": c.us, "  them ": c.them} {
			line := ""
			for l := range strings.Lines(out.String()) {
				if strings.Contains(l, who) {
					line = l
				}
			}
			if !strings.Contains(line, want) {
				t.Errorf("%s: want %q in %q", c.name, want, line)
			}
		}
	}
}

// TestCompareSaysWhatItCannotJudge: another machine, few rounds, no figure, cases that only one of the runs has.
func TestCompareSaysWhatItCannotJudge(t *testing.T) {
	cols := []column{{Name: "rate", Unit: "req/s", Ratio: true}}
	run := func(machine, title string, us ...float64) *report {
		rep := &report{Machine: machine, Command: "bench x"}
		rep.add(title, "", []string{"them", "us"}, map[string]samples{"them": {"rate": {10, 10, 10}}, "us": {"rate": us}}, cols)
		return rep
	}
	both := run("a", "case", 20, 20, 20)
	both.Tables = append(both.Tables, run("a", "left out", 1, 1, 1).Tables...)
	for _, c := range []struct {
		name        string
		before, now *report
		want        []string // in this order
		fails       bool
	}{
		{"another machine", run("a", "case", 20, 20, 20), run("b", "case", 40, 40, 40), []string{"another machine", "them", unjudged, "  us ", better}, false},
		{"two rounds", run("a", "case", 20, 20), run("a", "case", 40, 40, 40), []string{"them", same, "  us ", unjudged, "fewer than 3 rounds"}, false},
		{"no figure before", run("a", "case"), run("a", "case", 40, 40, 40), []string{"  us ", unjudged, "there is no figure"}, false},
		{"no figure now", run("a", "case", 40, 40, 40), run("a", "case"), []string{"  us ", unjudged, "there is no figure"}, false},
		{"a case is not there any more", both, run("a", "case", 20, 20, 20), []string{"  us ", same, "left out", "not measured"}, false},
		{"nothing in common", run("a", "other", 20, 20, 20), run("a", "case", 20, 20, 20), []string{"case", "not measured", "other", "not measured"}, true},
	} {
		var out bytes.Buffer
		err := compare(&out, c.before, c.now)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", c.name, err)
		}
		rest := out.String()
		for _, word := range c.want {
			var ok bool
			if _, rest, ok = strings.Cut(rest, word); !ok {
				t.Errorf("%s: no %q where it should be in\n%s", c.name, word, out.String())
				break
			}
		}
	}
}

// TestAReportIsReadAgain: what -json prints is what -compare reads, and anything else is an error.
func TestAReportIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	rep := newReport()
	rep.add("case", "note", []string{"a"}, map[string]samples{"a": {"ns": {3, 5}}}, []column{{Name: "ns", Unit: "ns", Low: true, Ratio: true}})
	var doc bytes.Buffer
	if err := rep.print(&doc, true); err != nil || !stdjson.Valid(doc.Bytes()) {
		t.Fatal(err, doc.String())
	}
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	if err := os.WriteFile(good, doc.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := doc.String(); !strings.Contains(got, `"columns":[{"name":"ns","unit":"ns","lower_is_better":true,"ratio":true}]`) {
		t.Errorf("units are missing: %s", got)
	}
	if err := os.WriteFile(bad, []byte("goos: linux"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"{}", "null", `{"tables":[]}`} {
		if err := os.WriteFile(filepath.Join(dir, "empty"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (&options{compare: filepath.Join(dir, "empty")}).earlier(); err == nil || !strings.Contains(err.Error(), "no figures") {
			t.Errorf("%s: %v", text, err)
		}
	}
	got, err := (&options{compare: good}).earlier()
	if err != nil || got.Tables[0].Rows[0].Figures["ns"].Median != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, name := range []string{bad, filepath.Join(dir, "none")} {
		if _, err := (&options{compare: name}).earlier(); err == nil || !strings.Contains(err.Error(), "-compare") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, o := range []options{{rounds: 0, d: 1}, {rounds: 1, d: 0}, {rounds: 1, d: 1, crowd: true, clients: -1}} {
		if o.check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func bodyOf(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("status %d, %v", answer.StatusCode, err)
	}
	return string(body)
}

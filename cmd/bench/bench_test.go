package main

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// asBench, when set, makes the test program bench itself.
const asBench = "BENCH_TEST_MAIN"

// TestMain lets the test program stand in for bench, and for the processes that it starts of itself.
func TestMain(m *testing.M) {
	ours := len(os.Args) > 1 && slices.ContainsFunc(commands, func(c command) bool { return c.name == os.Args[1] })
	if ours || os.Getenv(asBench) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestAppComparisonMeasuresBothSides(t *testing.T) {
	o := appOptions{options: options{rounds: 2, clients: 4, d: 30 * time.Millisecond, seed: 1, dir: t.TempDir()}, records: 100}
	rep := newReport()
	err := measureApp(o, rep, []string{"get", "post", "post1", "mix"})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range rep.Tables {
		if len(table.Rows) < 2 || table.Rows[0].Ratio["rate"] != 1 {
			t.Errorf("%s: %+v", table.Case, table.Rows)
		}
		for _, r := range table.Rows {
			if f := r.Figures["rate"]; f.Median <= 0 || f.Rounds != 2 || r.Figures["p50_us"].Median <= 0 {
				t.Errorf("%s, %s: %+v", table.Case, r.Contestant, r.Figures)
			}
		}
	}
	if measureApp(o, rep, []string{"fly"}) == nil {
		t.Error("an unknown case is accepted")
	}
}

func TestAppOnATimetable(t *testing.T) {
	p, err := spawn("rival", "rival", "memory", "-addr", "{addr}", "-records", "1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	m, err := load{addr: p.addr, conns: 2, d: 200 * time.Millisecond, rate: 100, want: 200,
		make: func(dst []byte, _, _ int) []byte { return appendGet(dst, 0) }}.run()
	// However late the machine is, every request that was due is sent: 20 exactly.
	if err != nil || m["requests"] != 20 {
		t.Errorf("%v requests in 200 ms at 100 a second; %v", m["requests"], err)
	}
}

func TestCorpusDecompresses(t *testing.T) {
	b, err := corpus("twitter_status")
	if err != nil {
		t.Skip("no corpus in this Go distribution:", err)
	}
	if len(b) < 100_000 || !stdjson.Valid(b) {
		t.Fatalf("%d bytes, valid JSON: %v", len(b), stdjson.Valid(b))
	}
}

func TestPageIsOneKibibyte(t *testing.T) {
	b, err := stdjson.Marshal(newPage())
	if err != nil || len(b) != 1024 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
}

func TestLinesAnswerEachRequest(t *testing.T) {
	var out bytes.Buffer
	err := serveLines(strings.NewReader("good 1\nbad\nboom\n"), &out, func(a []string) (figures, error) {
		switch a[0] {
		case "good":
			return figures{"ns": 12.5}, nil
		case "boom":
			panic("boom")
		}
		return nil, errNotApplicable
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "\nR {\"ns\":12.5}\n\nE not applicable\n\nE panic: boom\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestWorkersAnswer(t *testing.T) {
	bin, err := newBinCodec()
	if err != nil {
		t.Fatal(err)
	}
	log := &logWorker{root: t.TempDir(), filled: map[int]string{}}
	for _, c := range []struct {
		do   func([]string) (figures, error)
		line string
		key  string
	}{
		{jsonWork, "small decode 5", "mbs"},
		{jsonWork, "small any 5", "mbs"},
		{jsonWork, "small encode 5", "mbs"},
		{jsonWork, "small encodeany 5", "mbs"},
		{jsonWork, "small valid 5", "mbs"},
		{bin.work, "encode 5", "size"},
		{bin.work, "decode 5", "ns"},
		{log.work, "sync1 256 5", "rate"},
		{log.work, "sync64 256 5", "rate"},
		{log.work, "serial64 256 5", "rate"},
	} {
		m, err := c.do(strings.Fields(c.line))
		if err != nil || m[c.key] <= 0 {
			t.Errorf("%s: %v, %v", c.line, m, err)
		}
	}
	if _, err := corpus("twitter_status"); err == nil { // each is held against encoding/json before it is timed
		for _, text := range []string{"twitter", "citm", "canada"} {
			for _, op := range []string{"decode", "encode", "any", "encodeany", "valid"} {
				if m, err := jsonWork([]string{text, op, "1"}); err != nil || m["mbs"] <= 0 {
					t.Errorf("%s %s: %v, %v", text, op, m, err)
				}
			}
		}
	}
	for _, line := range []string{"small", "small fly 5", "nobody decode 5", "small decode x"} {
		if _, err := jsonWork(strings.Fields(line)); err == nil {
			t.Errorf("json %q: no error", line)
		}
	}
}

func TestMedianSpreadAndRatio(t *testing.T) {
	s := samples{"rate": {30, 10, 20}, "cpu_us": {4, 2}}
	if f := s.figure("rate", false); f.Median != 20 || f.Best != 30 || f.Spread != 1 || f.Rounds != 3 {
		t.Errorf("rate: %+v", f)
	}
	if f := s.figure("cpu_us", true); f.Median != 3 || f.Best != 2 {
		t.Errorf("cpu_us: %+v", f)
	}
	if r := (column{Low: true}).better(2, 6); r != 3 {
		t.Errorf("lower is better: ratio %v, want 3", r)
	}
	rep := newReport()
	rep.add("c", "n", []string{"a", "b"}, map[string]samples{"a": {"rate": {10}}, "b": {"rate": {40}}}, []column{{Name: "rate", Unit: "req/s", Ratio: true}})
	var text, doc bytes.Buffer
	if err := rep.print(&text, false); err != nil || !strings.Contains(text.String(), "4.00") {
		t.Errorf("%v: %s", err, text.String())
	}
	if err := rep.print(&doc, true); err != nil || !stdjson.Valid(doc.Bytes()) {
		t.Errorf("%v: %s", err, doc.String())
	}
}

func TestAnswerReadsWholeReplies(t *testing.T) {
	r := newReader("HTTP/1.1 201 Created\r\ncontent-LENGTH: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	for _, want := range []int{201, 200} {
		if got, err := answer(r); got != want || err != nil {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	if _, err := answer(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := answer(newReader("HTTP/1.1 200 OK\r\n\r\n")); err == nil {
		t.Error("a reply without a length is accepted")
	}
}

func newReader(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }

// TestRaftWork: three nodes commit, and go on without their leader.
func TestRaftWork(t *testing.T) {
	for _, line := range []string{"propose 4 256 1 50", "propose 1 256 0 50", "failover 1 256 1 50"} {
		f, err := raftWork(strings.Fields(line), true)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if f["rate"] <= 0 && f["failover_ms"] <= 0 {
			t.Errorf("%s: %v", line, f)
		}
	}
	for _, line := range []string{"", "propose 1 256 1", "propose x 256 1 50", "propose 1 x 1 50", "propose 1 256 1 0", "lead 1 256 1 50"} {
		if f, err := raftWork(strings.Fields(line), true); err == nil {
			t.Errorf("%q is answered: %v", line, f)
		}
	}
}

// TestSoakRefusesNoTime: what it does is tested in internal/soak.
func TestSoakRefusesNoTime(t *testing.T) {
	for _, minutes := range []string{"0", "-1", "1e9"} {
		if err := runSoak([]string{"-minutes", minutes}); err == nil {
			t.Errorf("-minutes %s is accepted", minutes)
		}
	}
}

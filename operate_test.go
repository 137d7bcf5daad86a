package lithair

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/internal/cli"
)

// TestOperate has an application look after its own data, in the directory of its settings.
func TestOperate(t *testing.T) {
	dir, file := filled(t, 3), filepath.Join(t.TempDir(), "copy.lithair")
	do := func(args ...string) (int, string) {
		t.Helper()
		a := withNotes(New(Config{Name: "notes"}))
		if err := a.cfg.load(nil, []string{"LITHAIR_DATA=" + dir}, os.Stderr); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		c := &cli.Console{In: bufio.NewReader(strings.NewReader("")), Out: &b, Err: &b}
		code := a.program().Run(c, args)
		return code, b.String()
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"log verify", 0, "sound: "},
		{"state at now", 0, "3 records; sequence 4"},
		{"backup " + file, 0, "sequence 4"},
		{"restore " + file + " -dir " + filepath.Join(t.TempDir(), "other"), 0, "sequence 4"},
		{"restore " + file, cli.CodeLocked, "-replace moves that aside"},
		{"backup -h", 0, "  notes backup data.lithair -dir data"},
		{"help", 0, "usage: notes COMMAND"},
		{"bakup x", cli.CodeUsage, "notes: no such command: bakup; did you mean backup?"},
		{"log verfy", cli.CodeUsage, "did you mean log verify?"},
		{"backup -forse x", cli.CodeUsage, "unknown flag -forse; did you mean -force?"},
		{"config show -origin", 0, "environment LITHAIR_DATA"},
		{"config show -json", 0, `{"name":"addr","env":"LITHAIR_ADDR","value":"127.0.0.1:8080"}`},
		{"check", 2, "no application answers"},
		{"check -format nagios", 2, "LITHAIR CRITICAL - answer: no application answers"},
		{"check -format xml", cli.CodeUsage, "is not text, nagios, json or prometheus"},
		{"log tail", cli.CodeUnreachable, "no application answers"},
		{"cluster status", cli.CodeUnreachable, "no application answers"},
		{"completion bash", 0, "complete -o default -F _notes notes"},
	} {
		if code, out := do(strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("notes %s: exit code %d, want %d and %q:\n%s", c.args, code, c.code, c.want, out)
		}
	}
}

// TestOperateProcess runs a real program both ways: it serves by default, and operates when told.
func TestOperateProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	program := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.Command("go", "build", "-o", program, "./examples/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"-h", 0, "hello help "},
		{"serve -h", 0, "-addr "},
		{"serve stray", 2, `unexpected argument "stray"`},
		{"backp", 2, "did you mean backup?"},
		{"log verify", 4, "no such file"},
		{"version", 0, "formats: "},
	} {
		cmd := exec.Command(program, strings.Fields(c.args)...)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("hello %s: exit code %d (%v), want %d and %q:\n%s", c.args, code, err, c.code, c.want, out)
		}
	}
}

// TestOperateRunning asks a running application: check in each format, and log tail, which sees
// what was committed and what comes.
func TestOperateRunning(t *testing.T) {
	a := newApp(t, Config{})
	notes := Model[note](a, "/api/notes")
	start(t, a)
	put := func(text string) {
		t.Helper()
		if err := a.Update(t.Context(), func(tx *Tx) error { return notes.Insert(tx, &note{Text: text}) }); err != nil {
			t.Fatal(err)
		}
	}
	put("before")
	do := func(out *lines, args string) int {
		return a.program().Run(&cli.Console{In: bufio.NewReader(strings.NewReader("")), Out: out, Err: out}, strings.Fields(args))
	}
	for _, c := range [][2]string{
		{"check", "ok   disk"}, {"check -format nagios", "LITHAIR OK - all checks pass | time="}, {"check -format json", `"status":"ok"`},
		{"check -format prometheus", "lithair_check_ok{check=\"leader\"} 1"}, {"check -url http://" + a.Addr(), "ok   leader"},
	} {
		out := &lines{c: make(chan string, 100)}
		if code := do(out, c[0]); code != 0 || !strings.Contains(out.String(), c[1]) {
			t.Errorf("%s: exit code %d, want %q: %s", c[0], code, c[1], out)
		}
	}
	beyond := &lines{c: make(chan string, 100)}
	if code := do(beyond, "log tail -from 1000"); code != cli.CodeNotFound || !strings.Contains(beyond.String(), "the log ends at index ") {
		t.Errorf("beyond the end: exit code %d: %s", code, beyond)
	}
	out := &lines{c: make(chan string, 100)}
	done := make(chan int, 1)
	go func() { done <- do(out, "log tail -from 1 -model note -n 2") }()
	if text := receive(t, "the first line", out.c); !strings.Contains(text, `"text":"before"`) {
		t.Errorf("first: %s", text)
	}
	put("behind")
	if text := receive(t, "the second line", out.c); !strings.Contains(text, `"text":"behind"`) {
		t.Errorf("second: %s", text)
	}
	if code := receive(t, "the end of log tail", done); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// lines is an output that tells of each write.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
	c  chan string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.c <- string(p)
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestStateIsReadWithoutTheProgram: what tools print of a record is the values that the API has, whatever their types.
func TestStateIsReadWithoutTheProgram(t *testing.T) {
	type part struct {
		Name   string         `json:"name"`
		Of     ID             `json:"of"`
		Counts map[string]int `json:"counts"`
		Notes  []string       `json:"notes"`
	}
	type thing struct {
		ID     ID        `json:"id" lithair:"primary_key"`
		Owner  ID        `json:"owner"`
		Tags   []string  `json:"tags"`
		Sizes  []float64 `json:"sizes"`
		On     []bool    `json:"on"`
		Signed []int64   `json:"signed"`
		Parts  []part    `json:"parts"`
		First  *part     `json:"first"`
		Empty  []string  `json:"empty"`
	}
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	Model[thing](a, "/api/things")
	start(t, a)
	body := `{"owner":"01a22912-8519-718b-8096-136d43dcd9d7","tags":["a","","c"],"sizes":[0,1.5],"on":[true,false],"signed":[-1,0,7],` +
		`"parts":[{"name":"p","of":"01a22912-8519-718b-8096-136d43dcd9d8","counts":{"x":1,"y":0},"notes":["n"]},{}],"first":{"name":"f"},"empty":[]}`
	got := call(t, a, "POST", "/api/things", body)
	if got.StatusCode != 201 {
		t.Fatal(got.body)
	}
	var want, shown map[string]any
	if err := json.Unmarshal([]byte(got.body), &want); err != nil {
		t.Fatal(err)
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	c := &cli.Console{In: bufio.NewReader(strings.NewReader("")), Out: &b, Err: io.Discard}
	if code := a.program().Run(c, []string{"state", "at", "now", dir}); code != 0 {
		t.Fatal(code, b.String())
	}
	_, record, _ := strings.Cut(b.String(), "{")
	if err := json.Unmarshal([]byte("{"+record), &shown); err != nil {
		t.Fatal(err, b.String())
	}
	for _, p := range append(want["parts"].([]any), want["first"]) { // what is zero is not stored, and the API says so
		for name, v := range p.(map[string]any) {
			if v == nil || v == "" || v == "00000000-0000-0000-0000-000000000000" {
				delete(p.(map[string]any), name)
			}
		}
	}
	if !reflect.DeepEqual(shown, want) {
		t.Errorf("%v\nwant %v", shown, want)
	}
}

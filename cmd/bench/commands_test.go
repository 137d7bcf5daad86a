package main

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bench runs the program as one does from a shell. It must leave nothing behind in the temporary folder.
func bench(t *testing.T, stdin string, args ...string) (out, said string, code int) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asBench+"=1", "TMPDIR="+dir)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("bench %s: %v", strings.Join(args, " "), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("bench %s leaves behind %v, %v", strings.Join(args, " "), left, err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestCommandsReport: each measuring command prints a document with the tables that it says, each with figures of every
// contestant.
func TestCommandsReport(t *testing.T) {
	for _, c := range []struct {
		args   string
		tables int
	}{
		{"app -clients 2 -records 10 -case get,post1", 2},
		{"wire -clients 2 -case plain -rate 500", 1},
		{"ws -clients 2", 2},
		{"json -text small -op valid,encode", 2},
		{"binenc", 2},
		{"log -case sync1", 1},
		{"raft", 4},
		{"cluster -clients 2 -records 10 -case get", 1},
		{"live -clients 2 -queries 20 -fanout 2 -records 20 -rate 200", 1},
		{"rooms -clients 4 -rooms 4 -members 2 -rate 200", 1},
		{"state -records 2000 -parts read,pause,write", 5},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			out, said, code := bench(t, "", append(strings.Fields(c.args), "-rounds", "1", "-duration", "50ms", "-json")...)
			checkDocument(t, out, said, code, c.tables)
		})
	}
	out, said, code := bench(t, "", "start", "-records", "50", "-rounds", "1", "-json")
	checkDocument(t, out, said, code, 1)
}

func checkDocument(t *testing.T, out, said string, code, tables int) {
	t.Helper()
	var rep report
	if err := stdjson.Unmarshal([]byte(out), &rep); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, said)
	}
	if len(rep.Tables) != tables {
		t.Errorf("%d tables, want %d: %s", len(rep.Tables), tables, out)
	}
	for _, table := range rep.Tables {
		for _, r := range table.Rows {
			if len(r.Figures) == 0 || r.Contestant == "" {
				t.Errorf("%s: %+v", table.Case, r)
			}
		}
	}
}

// TestProfileAndCompare: -profile leaves profiles of both processes, and -compare reads what -json printed.
func TestProfileAndCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	quick := []string{"-rounds", "1", "-duration", "20ms", "-clients", "1"}
	out, said, code := bench(t, "", append([]string{"wire", "-case", "plain", "-json", "-profile", filepath.Join(dir, "profiles")}, quick...)...)
	checkDocument(t, out, said, code, 1)
	for _, pattern := range []string{"bench.cpu", "bench.heap", "wire*.cpu"} {
		if found, err := filepath.Glob(filepath.Join(dir, "profiles", pattern)); err != nil || len(found) == 0 {
			t.Errorf("no profile %s: %v", pattern, err)
		}
	}
	earlier := filepath.Join(dir, "earlier")
	if err := os.WriteFile(earlier, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	text, said, code := bench(t, "", append([]string{"wire", "-case", "plain", "-compare", earlier}, quick...)...)
	if code != 0 || !strings.Contains(text, "net/http") || !strings.Contains(text, "plain") {
		t.Errorf("exit code %d: %s%s", code, text, said)
	}
	brief, said, code := bench(t, "", append([]string{"-compare", earlier}, quick...)...)
	if code != 0 || !strings.Contains(brief, "times better") || !strings.Contains(brief, "app get") {
		t.Errorf("exit code %d: %s%s", code, brief, said)
	}
}

// TestCommandLines: what is asked wrongly is refused, with what is right, before anything is measured.
func TestCommandLines(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"help", 0, "usage: bench [COMMAND]"},
		{"--help", 0, "usage: bench [COMMAND]"},
		{"fly", 2, "no such command: fly"},
		{"wire stray", 2, "unexpected argument: stray"},
		{"wire -fly", 2, "flag provided but not defined"},
		{"wire -rounds 0", 1, "-rounds: is 0, of 1 to 1000"},
		{"wire -duration -1s", 1, "-duration: is -1s"},
		{"wire -clients 10001", 1, "-clients: is 10001"},
		{"wire -case fly", 1, "fly"},
		{"app -case fly", 1, "fly"},
		{"log -case fly", 1, "fly"},
		{"json -op fly", 1, "fly"},
		{"cluster -case fly", 1, "no such case: fly"},
		{"state -parts fly", 1, `no such part: "fly"`},
		{"state -data /nowhere/at/all", 1, "/nowhere/at/all"},
		{"json -compare /nowhere", 1, "-compare: open /nowhere"},
		{"json -profile /dev/null/x", 1, "-profile: "},
		{"live -queries 1 -clients 2", 1, "-queries: at least one"},
		{"rooms -members 3 -clients 2", 1, "-members: from 1 to -clients"},
		{"idle -conns 0", 1, "must be positive"},
		{"soak -minutes 0", 1, "-minutes: is 0"},
		{"soak -plan -minutes 1 -seed 7", 0, "round"},
		{"serve -profile fly", 1, "no such profile: fly"},
		{"serve -profile cases -addr 1.2.3.4.5:6", 1, "1.2.3.4.5"},
		{"worker", 1, "which worker"},
		{"worker fly", 1, "no such worker: fly"},
		{"rival fly", 1, "want memory"},
		{"rival turns -data /nowhere", 1, "/nowhere"},
		{"rival memory -addr 1.2.3.4.5:6", 1, "1.2.3.4.5"},
	} {
		out, said, code := bench(t, "", strings.Fields(c.args)...)
		if all := out + said; code != c.code || !strings.Contains(all, c.want) {
			t.Errorf("bench %s: exit code %d, want %d with %q: %s", c.args, code, c.code, c.want, all)
		}
	}
}

// TestWorkersOnALine: workers answer what a harness asks on their standard input, a line for each request.
func TestWorkersOnALine(t *testing.T) {
	for _, c := range []struct{ args, in, key string }{
		{"worker json", "small valid 1\nfly\n", "mbs"},
		{"worker bin", "encode 1\nfly\n", "ns"},
		{"worker log", "nosync 256 5\nfly\n", "rate"},
		{"worker log -no-chain", "nosync100 256 5\nnosync x y\n", "rate"},
		{"worker log", "replay 1000 5\nreplay 0 x\n", "ms"},
		{"worker raft", "propose 1 256 0 5\npropose\n", "rate"},
	} {
		out, said, code := bench(t, c.in, strings.Fields(c.args)...)
		lines := strings.Fields(strings.ReplaceAll(strings.TrimSpace(out), " ", "_"))
		if code != 0 || len(lines) != 2 || !strings.HasPrefix(lines[0], "R_{") || !strings.Contains(lines[0], `"`+c.key) || !strings.HasPrefix(lines[1], "E_") {
			t.Errorf("bench %s, asked %q: exit code %d: %s%s", c.args, c.in, code, out, said)
		}
	}
}

// TestCasesAnswer: the profile that outside tools ask answers each path as it says, and refuses sizes that it cannot make.
func TestCasesAnswer(t *testing.T) {
	url := serveProcess(t)
	for _, c := range []struct {
		method, path, body string
		status, length     int // length -1: any
		has                string
	}{
		{"POST", "/echo", "what comes", 200, 10, "what comes"},
		{"GET", "/empty", "", 204, 0, ""},
		{"GET", "/notmod", "", 304, 0, ""},
		{"GET", "/stream", "", 200, 11, "onetwothree"},
		{"GET", "/drop", "", 200, 7, "dropped"},
		{"GET", "/plaintext", "", 200, 13, "Hello, World!"},
		{"GET", "/json", "", 200, 1024, `{"fill":"xx`},
		{"GET", "/json?bytes=11", "", 200, 11, `{"fill":""}`},
		{"GET", "/json?bytes=10", "", 400, -1, "at least 11"},
		{"GET", "/json?bytes=x", "", 400, -1, "from 0 to 16777216"},
		{"GET", "/bytes", "", 200, 1024, "xxx"},
		{"GET", "/bytes?n=0", "", 200, 0, ""},
		{"GET", "/bytes?n=100000", "", 200, 100000, "xxx"},
		{"GET", "/bytes?n=-1", "", 400, -1, "from 0 to 16777216"},
		{"GET", "/bytes?n=16777217", "", 400, -1, "from 0 to 16777216"},
		{"PUT", "/some/where?a=b", "abc", 200, -1, "method=PUT\ntarget=/some/where?a=b\n"},
		{"PUT", "/some/where", "abc", 200, -1, "\nbody=3\n"},
		{"GET", "/ws", "", 426, -1, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.StatusCode != c.status || c.length >= 0 && len(b) != c.length || !strings.Contains(string(b), c.has) {
			t.Errorf("%s %s: %d, %d bytes, %.200q, %v; want %d with %q", c.method, c.path, a.StatusCode, len(b), b, err, c.status, c.has)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

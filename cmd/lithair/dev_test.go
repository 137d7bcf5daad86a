package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/devpage"
)

// screen is an output that is read while it is written.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// await waits for a condition, and says what is on the screen when it does not come.
func (s *screen) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come; on the screen:\n%s", what, s)
		}
	}
}

// firstEvent returns the first event of the stream for pages, and its line with the id of the process.
func firstEvent(t *testing.T, base string) (text, process string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", base+devpage.Base+"/events", nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan() && lines.Text() != ""; {
		if strings.HasPrefix(lines.Text(), "data:") && process == "" {
			process = lines.Text()
		}
		text += lines.Text() + "\n"
	}
	return text, process
}

// TestDevBegins with source that does not build: its page says why, until it does.
func TestDevBegins(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program twice")
	}
	dir := filepath.Join(t.TempDir(), "notes")
	if code, _, err := lithair("", "new", dir); code != 0 {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "off")
	file := filepath.Join(dir, "main.go")
	source, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, append(source, "var broken = <nothing>\n"...), 0o644))
	out := &screen{}
	d := &dev{c: &cli.Console{Out: out, Err: out}, dir: dir, addr: "127.0.0.1:0", poll: 50 * time.Millisecond}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	out.await(t, "what is wrong", func() bool { return strings.Contains(out.String(), "main.go:") })
	base := regexp.MustCompile(`http://[0-9.:]+`).FindString(out.String())
	client := &http.Client{Timeout: time.Minute}
	get := func(path string) (int, string, string) {
		res, err := client.Get(base + path)
		if err != nil {
			return 0, err.Error(), ""
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		must(t, err)
		return res.StatusCode, string(b), res.Header.Get("Content-Security-Policy")
	}
	out.await(t, "the page", func() bool { status, _, _ := get("/"); return status != 0 })
	if status, body, _ := get("/any/page"); status != 503 || !strings.Contains(body, "main.go:") || strings.Contains(body, "<nothing>") || !strings.Contains(body, devpage.Base) {
		t.Errorf("%d %s", status, body)
	}
	_, before := firstEvent(t, base)
	must(t, os.WriteFile(file, source, 0o644))
	out.await(t, "the program", func() bool { return strings.Contains(out.String(), "ready in") })
	if status, body, policy := get("/"); status != 200 || !strings.HasSuffix(body, "</script>\n") || !strings.Contains(policy, "script-src 'self'") {
		t.Errorf("%d %s %s", status, body, policy)
	}
	if _, now := firstEvent(t, base); now == before || now == "" {
		t.Errorf("the page cannot tell the program from what stood in its place: %s", now)
	}
}

// TestDevBeside: that the command beside the program is ended is no fault of it, and what it has started ends with it.
func TestDevBeside(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("NOT CHECKED: the commands are those of a Unix shell")
	}
	out := &screen{}
	d := &dev{c: &cli.Console{Out: out, Err: out}, dir: "."}
	end, err := d.beside("sleep 600 & echo $!; wait")
	must(t, err)
	for !strings.HasSuffix(out.String(), "\n") {
		time.Sleep(time.Millisecond)
	}
	child, err := strconv.Atoi(strings.TrimSpace(out.String()))
	must(t, err)
	p, err := os.FindProcess(child)
	must(t, err)
	before := out.String()
	end()
	if out.String() != before {
		t.Errorf("on the screen: %s", out)
	}
	for deadline := time.Now().Add(20 * time.Second); alive(p); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("what the command had started goes on: %v", p.Kill())
		}
	}
}

// alive says whether a process runs; one that has ended and that nobody has waited for does not.
func alive(p *os.Process) bool {
	if err := p.Signal(syscall.Signal(0)); err != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// TestDevBesideEnds: where the command ends by itself, the developer is told at once.
func TestDevBesideEnds(t *testing.T) {
	out := &screen{}
	d := &dev{c: &cli.Console{Out: out, Err: out}, dir: "."}
	end, err := d.beside("exit 3")
	must(t, err)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "it has ended: exit status 3"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("on the screen: %q", out)
		}
	}
	end()
}

// TestDev changes a program while it is asked without a pause: each request is answered, by the
// old program or the new one, data stays, and source that does not build changes nothing.
func TestDev(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program three times")
	}
	dir := filepath.Join(t.TempDir(), "notes")
	if code, _, err := lithair("", "new", dir, "-no-frontend"); code != 0 {
		t.Fatal(err)
	}
	t.Setenv("GOPROXY", "off")
	out := &screen{}
	d := &dev{c: &cli.Console{Out: out, Err: out}, dir: dir, addr: "127.0.0.1:0", poll: 50 * time.Millisecond}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	ended := false
	end := func() {
		if !ended {
			ended = true
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	defer end()
	readies := func(n int) func() bool { return func() bool { return strings.Count(out.String(), "ready in") >= n } }
	out.await(t, "the first program", readies(1))
	base := regexp.MustCompile(`http://[0-9.:]+`).FindString(out.String())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	get := func(method, path, body string) (int, string, error) {
		req, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, string(b), err
	}
	if status, body, err := get("POST", "/api/notes", `{"text":"stays"}`); status != 201 {
		t.Fatal(status, body, err)
	}
	var asked, failed atomic.Int64
	var last atomic.Value
	pause := make(chan struct{})
	var clients sync.WaitGroup
	pauses := sync.OnceFunc(func() { close(pause) })
	defer pauses() // though it fails
	for range 2 {
		clients.Go(func() {
			for {
				select {
				case <-pause:
					return
				default:
				}
				asked.Add(1)
				if status, body, err := get("GET", "/api/notes", ""); status != 200 || err != nil {
					failed.Add(1)
					last.Store(fmt.Sprint(status, body, err))
				}
			}
		})
	}
	model := filepath.Join(dir, "model.go")
	source, err := os.ReadFile(model)
	must(t, err)
	change := func(old, new string) {
		t.Helper()
		must(t, os.WriteFile(model, []byte(strings.Replace(string(source), old, new, 1)), 0o644))
	}
	change(`json:"text"`, `json:"body"`)
	out.await(t, "the second program", readies(2))
	if status, body, err := get("GET", "/openapi.json", ""); status != 200 || !strings.Contains(body, `"body":{"type":"string"`) {
		t.Errorf("the old program answers: %d %.200s %v", status, body, err)
	}
	change("func (d *Desk) Tick(", "func (d *Desk) Tick(?")
	out.await(t, "what is wrong", func() bool { return strings.Contains(out.String(), "model.go:36:21: ") })
	if status, body, err := get("GET", "/docs", ""); status != 200 || !strings.Contains(body, devpage.Base+"/script.js") {
		t.Errorf("a page without the script: %d %.200s %v", status, body, err)
	}
	if status, body, err := get("GET", devpage.Base+"/script.js", ""); status != 200 || !strings.Contains(body, "EventSource") {
		t.Errorf("the script: %d %.200s %v", status, body, err)
	}
	told, line := firstEvent(t, base)
	if !strings.Contains(told, "model.go:36:21: ") {
		t.Errorf("the page is not told what is wrong: %s", told)
	}
	if status, body, err := get("GET", "/api/left", ""); status != 200 {
		t.Errorf("nobody answers after a build that failed: %d %s %v", status, body, err)
	}
	change("", "")
	out.await(t, "the third program", readies(3))
	if told, now := firstEvent(t, base); now == line || strings.Contains(told, "model.go") {
		t.Errorf("a page cannot tell that another program answers: %q, before %q: %s", now, line, told)
	}
	pauses()
	clients.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last: %v\n%s", n, asked.Load(), last.Load(), out)
	}
	if _, body, err := get("GET", "/api/notes", ""); !strings.Contains(body, `"text":"stays"`) {
		t.Errorf("the data is gone: %s %v", body, err)
	}
	t.Logf("%d requests, none failed; %v", asked.Load(), regexp.MustCompile(`ready in \d+ ms`).FindAllString(out.String(), -1))
	end()
	if _, err := net.Dial("tcp", strings.TrimPrefix(base, "http://")); err == nil {
		t.Error("something listens still")
	}
}

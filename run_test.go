package lithair

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/wire"
)

// runArgs runs an application that does not come up.
func runArgs(a *App, args ...string) (code int, out string) {
	var b strings.Builder
	code = a.run("", args, nil, &b)
	return code, b.String()
}

// filled is a data directory that holds some records, and is not in use.
func filled(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	a := newApp(t, Config{Dir: dir})
	notes := Model[note](a, "/api/notes")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := a.Update(t.Context(), func(tx *Tx) error { return notes.Insert(tx, &note{Text: "remarkable"}) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func withNotes(a *App) *App {
	Model[note](a, "/api/notes")
	return a
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := newApp(t, Config{})
	start(t, withNotes(inUse))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full := disk.NewSim(1)
	full.SetCapacity(4096)
	type bad struct {
		ID ID `json:"id" lithair:"primay_key"`
	}
	wrong := newApp(t, Config{})
	Model[bad](wrong, "/api/bad")
	for _, x := range []struct {
		name string
		a    *App
		args []string
		code int
		want string // regexp
	}{
		{"help", newApp(t, Config{}), []string{"-h"}, 0, `LITHAIR_ADDR`},
		{"flag", newApp(t, Config{}), []string{"-prot", "1"}, 2, `unknown flag -prot`},
		{"port", withNotes(newApp(t, Config{})), []string{"-addr", taken.Addr().String()}, 1,
			`address ` + taken.Addr().String() + ` is in use.*; choose another, such as -addr 127\.0\.0\.1:\d+`},
		{"data in use", withNotes(newApp(t, Config{Dir: inUse.cfg.Dir})), nil, 78, `in use by process ` + "\\d+"},
		{"data is a file", withNotes(newApp(t, Config{Dir: file})), nil, 78, `is a file, not a directory`},
		{"data unwritable", withNotes(newApp(t, Config{Dir: "/sys/lithair"})), nil, 78, `/sys/lithair`},
		{"disk full", withNotes(newApp(t, Config{Dir: "d", FS: full})), nil, 78, `the disk with data directory d is full.*free some space`},
		{"tag", wrong, nil, 78, `bad\.ID.*tag lithair.*unknown word "primay_key".*did you mean "primary_key".*allowed: primary_key, unique`},
	} {
		code, out := runArgs(x.a, x.args...)
		if code != x.code || !regexp.MustCompile(`(?s)`+x.want).MatchString(out) {
			t.Errorf("%s: exit code %d, want %d:\n%s", x.name, code, x.code, out)
		}
	}
}

// TestPrintOpenAPI: a program says what it serves without touching data or network, or what is
// wrong with it.
func TestPrintOpenAPI(t *testing.T) {
	var out, errs strings.Builder
	a := withNotes(newApp(t, Config{Dir: "/sys/nowhere", Addr: "192.0.2.1:1"}))
	if code := a.printOpenAPI(&out, &errs); code != 0 || !strings.Contains(out.String(), `"x-lithair":{"collections":[{"name":"note"`) || errs.String() != "" {
		t.Errorf("%d %.200s %s", code, out.String(), errs.String())
	}
	wrong := newApp(t, Config{})
	wrong.Get("no path", nil)
	if code := wrong.printOpenAPI(&out, &errs); code != exitConfig || errs.String() == "" {
		t.Errorf("%d %s", code, errs.String())
	}
}

func TestDamageStopsTheStart(t *testing.T) {
	dir := filled(t, 5)
	if code, out := runArgs(withNotes(newApp(t, Config{Dir: dir})), "-check"); code != 0 || !strings.Contains(out, "is sound: ") {
		t.Fatalf("-check of a sound log: %d %s", code, out)
	}
	segments, err := filepath.Glob(dir + "/log/*.seg")
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("remarkable"))] ^= 1
	if err := os.WriteFile(segments[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"-check"}} {
		code, out := runArgs(withNotes(newApp(t, Config{Dir: dir})), args...)
		want := regexp.MustCompile(`damaged.*` + regexp.QuoteMeta(segments[0]) + ` is damaged at offset \d+ \(log index \d+\).*run: test -data ` + regexp.QuoteMeta(dir) + ` -check`)
		if code != 78 || !want.MatchString(out) {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
	if now, err := os.ReadFile(segments[0]); err != nil || !bytes.Equal(now, b) {
		t.Errorf("the damaged file was changed (%v)", err)
	}
}

// TestALogThatLostItsEndStopsTheStart: what a crash cannot leave, and no checksum shows.
func TestALogThatLostItsEndStopsTheStart(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"removed":   func(dir string) error { return os.RemoveAll(dir + "/log") },
		"cut short": func(dir string) error { return os.Truncate(dir+"/log/00000000000000000001.seg", 5000) },
	} {
		dir := filled(t, 5)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		for range 2 { // also when the refused start has made an empty log
			if code, out := runArgs(withNotes(newApp(t, Config{Dir: dir}))); code != 78 || !strings.Contains(out, "what lies between is gone") || !strings.Contains(out, "remove "+dir+"/reached") {
				t.Fatalf("%s: exit code %d: %s", name, code, out)
			}
		}
		if err := os.Remove(dir + "/reached"); err != nil {
			t.Fatal(err)
		}
		a := withNotes(newApp(t, Config{Dir: dir}))
		if err := a.Start(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := a.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestMain is the server program of the tests that need a process of their own.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RUN_TEST_SERVER"); dir != "" {
		os.Unsetenv("RUN_TEST_SERVER")
		a := New(Config{Name: "server", Dir: dir})
		Model[note](a, "/api/notes")
		a.Get("/slow", func(w *wire.Response, r *wire.Request) error {
			fmt.Fprintln(os.Stderr, "a request has come")
			<-r.WatchClient().Done() // until the server stops
			return w.Send(200, "text/plain", []byte("done"))
		})
		a.Get("/stuck", func(w *wire.Response, r *wire.Request) error {
			fmt.Fprintln(os.Stderr, "a request has come")
			select {}
		})
		os.Args = append(os.Args[:1], "-log-format", "json")
		a.Run("127.0.0.1:0")
		os.Exit(0)
	}
	watchTimeout()
	os.Exit(m.Run())
}

// process is a running server program.
type process struct {
	*exec.Cmd
	url string
	mu  sync.Mutex
	out strings.Builder

	ended chan struct{} // closed when err is what Wait has returned
	err   error
}

// Write collects the program's output, and finds its URL there.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b)
	if m := regexp.MustCompile(`"url":"(https?://[^"]+)"`).FindStringSubmatch(p.out.String()); m != nil {
		p.url = m[1]
	}
	return len(b), nil
}

func (p *process) text() (out, url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String(), p.url
}

func spawn(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(append(os.Environ(), "RUN_TEST_SERVER="+t.TempDir()), env...)
	p.Stderr = p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		p.err = p.Wait()
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.ended
	})
	over := false
	awaitOr(t, func() string { out, _ := p.text(); return "the program serves:\n" + out }, func() bool {
		select {
		case <-p.ended:
			over = true
		default:
		}
		_, url := p.text()
		return url != "" || over
	})
	if out, url := p.text(); url == "" {
		t.Fatalf("%v\n%s", p.err, out)
	}
	return p
}

// end waits until the program has ended, and returns what Wait has. One that does not end says where it is.
func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
	}
	p.Process.Signal(syscall.SIGQUIT)
	closed(t, "the end of a program that prints its stacks", p.ended)
	out, _ := p.text()
	t.Fatalf("the program does not end within %v:\n%s", patience, out)
	return nil
}

// get asks for a path and reports the body, or the error.
func (p *process) get(path string) chan string {
	_, url := p.text()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	got := make(chan string, 1)
	if err != nil {
		got <- err.Error()
		return got
	}
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	go func() {
		b, _ := io.ReadAll(c)
		c.Close()
		got <- string(b)
	}()
	return got
}

// waitFor waits until the program has printed something.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	out := ""
	awaitOr(t, func() string { return fmt.Sprintf("%q in what is printed:\n%s", text, out) }, func() bool {
		out, _ = p.text()
		return strings.Contains(out, text)
	})
}

func TestSIGTERMFinishesWhatIsInFlight(t *testing.T) {
	p := spawn(t)
	slow := p.get("/slow")
	p.waitFor(t, "a request has come")
	p.Process.Signal(syscall.SIGTERM)
	if got := receive(t, "the answer", slow); !strings.HasSuffix(got, "done") {
		t.Errorf("the request in flight got %q", got)
	}
	if err := p.end(t); err != nil {
		out, _ := p.text()
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheSecondSignalStopsAtOnce(t *testing.T) {
	p := spawn(t)
	p.get("/stuck")
	p.waitFor(t, "a request has come")
	p.Process.Signal(syscall.SIGINT)
	p.waitFor(t, `"stopping"`)
	p.Process.Signal(syscall.SIGTERM)
	p.end(t)
	out, _ := p.text()
	if code := p.ProcessState.ExitCode(); code != 3 || !strings.Contains(out, "second signal") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

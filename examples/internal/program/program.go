// Package program runs the main function of an example in a process of its own, for its tests. The test program stands in for it, so
// that nothing is built.
//
//	func TestMain(m *testing.M) { os.Exit(program.Main(m, main)) }
//
//	p := program.Start(t, "-addr", "127.0.0.1:0", "-data", t.TempDir())
//	resp, err := http.Get(p.URL + "/")
//	p.Stop()
package program

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram, when set, makes the test program the example.
const asProgram = "EXAMPLE_TEST_MAIN"

// Main runs main in a process that Start or Run has started, and the tests elsewhere; it returns the exit code.
func Main(m *testing.M, main func()) int {
	if os.Getenv(asProgram) != "" {
		main()
		return 0
	}
	return m.Run()
}

// Program is an example that runs. It ends with the test at the latest.
type Program struct {
	URL string // where it answers, without a slash at the end

	t     testing.TB
	cmd   *exec.Cmd
	found chan string
	ended chan error

	mu  sync.Mutex
	out strings.Builder
}

// served finds the address in what an application prints when it is up.
var served = regexp.MustCompile(` is up: (https?://[^\s/]+)\s`)

// Write takes what the program prints. It is for the program alone.
func (p *Program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b) // never fails
	if m := served.FindStringSubmatch(p.out.String()); m != nil {
		select {
		case p.found <- m[1]:
		default: // it is known
		}
	}
	return len(b), nil
}

// Output is what the program has printed until now, on both of its outputs.
func (p *Program) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Await waits until the program has printed a text.
func (p *Program) Await(text string) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(p.Output(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("it does not print %q:\n%s", text, p.Output())
		}
	}
}

func launch(t testing.TB, args []string) *Program {
	t.Helper()
	p := &Program{t: t, cmd: exec.Command(os.Args[0], args...), found: make(chan string, 1), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it may have ended
	return p
}

// Start starts the program and waits until it says where it answers.
func Start(t testing.TB, args ...string) *Program {
	t.Helper()
	p := launch(t, args)
	select {
	case p.URL = <-p.found:
	case err := <-p.ended:
		t.Fatalf("it ended: %v\n%s", err, p.Output())
	case <-time.After(time.Minute):
		t.Fatalf("it answers nowhere:\n%s", p.Output())
	}
	return p
}

// Run runs the program until it ends, and returns its exit code and what it printed.
func Run(t testing.TB, args ...string) (code int, out string) {
	t.Helper()
	p := launch(t, args)
	select {
	case <-p.ended: // the code says how
	case <-time.After(time.Minute):
		t.Fatalf("it does not end:\n%s", p.Output())
	}
	return p.cmd.ProcessState.ExitCode(), p.Output()
}

// Stop asks the program to end, as a service manager does, and fails the test unless it does so with exit code 0.
func (p *Program) Stop() {
	p.t.Helper()
	if runtime.GOOS == "windows" { // there is no such signal
		_ = p.cmd.Process.Kill()
		<-p.ended
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("it ended with %v:\n%s", err, p.Output())
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("it does not stop:\n%s", p.Output())
	}
}

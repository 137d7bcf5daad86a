package crashtest

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// serveDir, when set, makes the test program the server on that folder.
const serveDir = "CRASHTEST_SERVE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveDir); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, "crashtest server:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	http.DefaultClient.Timeout = time.Minute // a server that does not answer fails its test
	os.Exit(m.Run())
}

// server is a started server process.
type server struct {
	cmd  *exec.Cmd
	in   io.Closer
	out  *bufio.Reader
	addr string // once it answers
}

// start starts a server; await waits until it answers.
func start(dir string) (*server, error) {
	s := &server{cmd: exec.Command(os.Args[0])}
	s.cmd.Env = append(os.Environ(), serveDir+"="+dir)
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.in, s.out = in, bufio.NewReader(out)
	return s, s.cmd.Start()
}

func (s *server) await() error {
	mute := time.AfterFunc(time.Minute, func() { s.cmd.Process.Kill() })
	line, err := s.out.ReadString('\n')
	mute.Stop()
	if err != nil {
		return fmt.Errorf("the server ended before it answered: %w (%v)", err, s.cmd.Wait())
	}
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "ADDR ")
	if !ok {
		return fmt.Errorf("the server said %q", line)
	}
	s.addr = addr
	return nil
}

// kill ends the server with SIGKILL: it can do nothing any more.
func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait() // always an error: it was killed
}

// stop asks the server to shut down and waits for it.
func (s *server) stop() error {
	s.in.Close()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		return fmt.Errorf("the server did not shut down within 20 s: %w", <-done)
	}
}

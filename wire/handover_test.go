package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const childVariable = "WIRE_TEST_CHILD"

// child is this test binary again, in a role.
func child(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildProcess$")
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestChildProcess is what child processes run; by itself it does nothing.
func TestChildProcess(t *testing.T) {
	switch role := os.Getenv(childVariable); role {
	case "":
		t.Skip("runs in child processes")
	case "dies":
		os.Exit(7)
	case "hangs":
		time.Sleep(time.Minute)
	case "serves":
		time.AfterFunc(2*time.Minute, func() { os.Exit(9) }) // whatever happens to the test
		if err := serveGeneration(); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
	case "slow":
		serveSlow()
	case "systemd":
		in, err := Inherit()
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(0)
		}
		again, err := Inherit()
		a, b, c := in.Listener("http"), in.Listener("http"), in.Listener("admin.sock")
		fmt.Println(a != nil, b != nil, c != nil, in.Listener("http") == nil, len(again.names), err, os.Getenv("LISTEN_FDS") == "")
		if a != nil {
			fmt.Println(a.Addr(), c.Addr())
		}
		os.Exit(0)
	}
}

// serveGeneration serves inherited listeners until it is told to stop or to start its
// successor.
func serveGeneration() error {
	in, err := Inherit()
	if err != nil {
		return err
	}
	listeners := map[string]net.Listener{"tcp": in.Listener("tcp"), "unix": in.Listener("unix")}
	end := make(chan string, 1)
	s, err := NewServer(Config{Logger: quiet(), ShutdownGrace: 500 * time.Millisecond, Handler: func(w *Response, r *Request) error {
		switch r.Path() {
		case "/restart", "/stop":
			end <- r.Path()
		case "/slow":
			time.Sleep(20 * time.Millisecond) // in flight while the server stops
		}
		return w.Send(200, "", strconv.AppendInt(nil, int64(os.Getpid()), 10))
	}})
	if err != nil {
		return err
	}
	served := make(chan error, 2)
	for _, l := range listeners {
		go func() { served <- s.Serve(l) }()
	}
	if err := in.Ready(); err != nil {
		return err
	}
	if <-end == "/restart" {
		if err := Handover(context.Background(), child("serves"), listeners); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return err
	}
	for range 2 {
		if err := <-served; err != ErrServerClosed {
			return err
		}
	}
	os.Exit(0)
	return nil
}

// TestRestartsLoseNoRequest restarts a server four times under load, over TCP and a Unix
// socket, on new connections and on kept ones, and counts requests that fail.
func TestRestartsLoseNoRequest(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	unix, err := ListenUnix(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	first := child("serves")
	if err := Handover(ctx, first, map[string]net.Listener{"tcp": tcp, "unix": unix}); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- first.Wait() }()
	addr := tcp.Addr().String()
	if err := errors.Join(tcp.Close(), unix.Close()); err != nil {
		t.Fatal(err)
	}

	var done, failed atomic.Int64
	pids := map[string]bool{}
	var mu sync.Mutex
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		network, to := "tcp", addr
		if i%2 == 1 {
			network, to = "unix", path
		}
		wg.Go(func() {
			c := &keptClient{network: network, addr: to, fresh: i/2%2 == 0}
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				pid, err := c.get([]string{"/", "/slow"}[n%2])
				if done.Add(1); err != nil {
					failed.Add(1)
					t.Errorf("%s, kept %v: %v", network, !c.fresh, err)
					return
				}
				mu.Lock()
				pids[pid] = true
				mu.Unlock()
			}
		})
	}
	control := &keptClient{network: "tcp", addr: addr, fresh: true}
	for range 4 {
		was := done.Load()
		for done.Load() < was+100 && failed.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		old, err := control.get("/restart")
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			if pid, err := control.get("/"); err != nil {
				t.Fatal(err)
			} else if pid != old {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no successor answers")
			}
		}
	}
	was := done.Load()
	for done.Load() < was+100 && failed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	wg.Wait()
	if _, err := control.get("/stop"); err != nil {
		t.Error(err)
	}
	if err := <-gone; err != nil {
		t.Errorf("the first process: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // the last one removes the socket
		if _, err := os.Stat(path); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the socket's file is still there")
		}
	}
	if len(pids) != 5 {
		t.Errorf("%d processes answered, want 5", len(pids))
	}
	t.Logf("%d requests to %d processes, %d failed", done.Load(), len(pids), failed.Load())
}

// keptClient sends requests one by one; fresh: each on a connection of its own.
type keptClient struct {
	network, addr string
	fresh         bool
	nc            net.Conn
	br            *bufio.Reader
}

func (c *keptClient) get(path string) (body string, err error) {
	if c.nc == nil {
		if c.nc, err = net.Dial(c.network, c.addr); err != nil {
			return "", err
		}
		c.br = bufio.NewReader(c.nc)
	}
	if err := c.nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c.nc, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return "", fmt.Errorf("%d %q: %w", resp.StatusCode, b, err)
	}
	if resp.Close || c.fresh {
		err = c.nc.Close()
		c.nc = nil
	}
	return string(b), err
}

func TestHandoverThatFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := filepath.Join(t.TempDir(), "s")
	u, err := ListenUnix(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	both := map[string]net.Listener{"a": l, "b": u}
	withFiles := child("dies")
	withFiles.ExtraFiles = []*os.File{os.Stdin}
	wrapped := struct{ net.Listener }{l}
	late, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for _, c := range []struct {
		name      string
		ctx       context.Context
		cmd       *exec.Cmd
		listeners map[string]net.Listener
		want      string
	}{
		{"dies", t.Context(), child("dies"), both, "did not get ready: it ended or gave up"},
		{"hangs", late, child("hangs"), both, "did not get ready: context deadline exceeded"},
		{"no such program", t.Context(), exec.Command(path + ".none"), both, "no such file"},
		{"no listeners", t.Context(), child("dies"), nil, "no listeners"},
		{"files of its own", t.Context(), withFiles, both, "ExtraFiles"},
		{"a wrapped listener", t.Context(), child("dies"), map[string]net.Listener{"x": wrapped}, "has no descriptor"},
		{"a bad name", t.Context(), child("dies"), map[string]net.Listener{"a:b": l}, "no name for a listener"},
	} {
		if err := Handover(c.ctx, c.cmd, c.listeners); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// nothing has changed: both still accept, and the socket's file goes with its listener
	for _, l := range both {
		accepted := make(chan error, 1)
		go func() {
			nc, err := l.Accept()
			if err == nil {
				err = nc.Close()
			}
			accepted <- err
		}()
		nc, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := <-accepted; err != nil {
			t.Error(err)
		}
		nc.Close()
	}
	u.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket's file is left")
	}
}

// TestInheritFromSystemd plays systemd: descriptors from 3 on, and its environment. A
// shell in between sets LISTEN_PID, which must be the process's own.
func TestInheritFromSystemd(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	tcp2, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp2.Close()
	unix, err := ListenUnix(filepath.Join(t.TempDir(), "s"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	var files []*os.File
	for _, l := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), tcp2.(*net.TCPListener), unix} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	nothing := "false false false true 0 <nil> true\n"
	for _, c := range []struct {
		name, pid, env, want string
	}{
		{"named", "$$", "LISTEN_FDS=3 LISTEN_FDNAMES=http:http:admin.sock", "true true true true 0 <nil> true\n" + tcp.Addr().String() + " " + unix.Addr().String() + "\n"},
		{"for another process", "1", "LISTEN_FDS=3 LISTEN_FDNAMES=http:http:admin.sock", nothing},
		{"no names", "$$", "LISTEN_FDS=3", nothing},
		{"none", "$$", "LISTEN_FDS=0", nothing},
		{"no number", "$$", "LISTEN_FDS=x", "error: wire: LISTEN_FDS"},
		{"negative", "$$", "LISTEN_FDS=-1", "error: wire: LISTEN_FDS"},
		{"far too many", "$$", "LISTEN_FDS=1000000", "error: wire: LISTEN_FDS"},
		{"names and number differ", "$$", "LISTEN_FDS=3 LISTEN_FDNAMES=a:b", "error: wire: LISTEN_FDNAMES has 2 names for 3"},
		{"more than there are", "$$", "LISTEN_FDS=9", "error: wire: descriptor "},
	} {
		cmd := exec.Command("sh", "-c", "LISTEN_PID="+c.pid+" "+c.env+" exec "+os.Args[0]+" -test.run='^TestChildProcess$'")
		cmd.Env = append(slices.Clone(os.Environ()), childVariable+"=systemd")
		cmd.ExtraFiles = files
		out, err := cmd.Output()
		if err != nil || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("%s: %q, %v; want %q", c.name, out, err, c.want)
		}
	}
}

// TestShutdownWaitsForAccepted: a connection that is open when the server begins to shut
// down, and whose first request is on its way, gets its answer; one that stays silent
// holds nobody up.
func TestShutdownWaitsForAccepted(t *testing.T) {
	addr, s := serveCases(t)
	fresh, do := dial(t, addr)
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for s.Conns() < 2 {
		time.Sleep(time.Millisecond)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	for !s.closing.Load() {
		time.Sleep(time.Millisecond)
	}
	resp := do("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
	if resp.StatusCode != 200 || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
	fresh.Close()
	if b, err := io.ReadAll(silent); err != nil || len(b) > 0 {
		t.Errorf("the silent one: %q, %v", b, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestShutdownGrace: an idle connection may send one more request.
func TestShutdownGrace(t *testing.T) {
	addr, s := serveCases(t, func(c *Config) { c.ShutdownGrace = 20 * time.Second })
	_, do := dial(t, addr)
	if resp := do("GET / HTTP/1.1\r\nHost: t\r\n\r\n"); resp.Close {
		t.Error("closed before the shutdown")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	for !s.closing.Load() {
		time.Sleep(time.Millisecond)
	}
	if resp := do("GET / HTTP/1.1\r\nHost: t\r\n\r\n"); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

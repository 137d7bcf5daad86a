package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/program"
)

// serveDir, when set, makes the test program a chat on that folder, at serveAddr; with servePeers a node of a cluster.
const (
	serveDir   = "CHAT_TEST_SERVE_DIR"
	serveAddr  = "CHAT_TEST_SERVE_ADDR"
	serveNode  = "CHAT_TEST_SERVE_NODE"
	servePeers = "CHAT_TEST_SERVE_PEERS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveDir); dir != "" {
		if err := serveForTest(dir, os.Getenv(serveAddr)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(program.Main(m, main))
}

func serveForTest(dir, addr string) error {
	cfg := lithair.Config{Name: "chat", Addr: addr, Dir: dir, LogLevel: "error"}
	if peers := os.Getenv(servePeers); peers != "" {
		id, err := strconv.ParseInt(os.Getenv(serveNode), 10, 64)
		if err != nil {
			return err
		}
		cfg.Cluster, cfg.NodeID, cfg.Peers = "chat", id, peers
	}
	app := lithair.New(cfg)
	c, err := newChat(app)
	if err != nil {
		return err
	}
	if err := app.Start(context.Background()); err != nil {
		return err
	}
	if err := c.furnish(context.Background()); err != nil {
		return err
	}
	fmt.Println(app.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return app.Shutdown(end)
}

// server is a chat in a process of its own.
type server struct {
	t         *testing.T
	dir, addr string
	node      int    // with peers
	peers     string // of a cluster; empty: it stands alone
	cmd       *exec.Cmd
	life      io.Closer // its standard input, with which it ends
	out       io.Reader
}

func (s *server) start() {
	s.t.Helper()
	s.launch()
	s.ready()
}

func (s *server) launch() {
	s.t.Helper()
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), serveDir+"="+s.dir, serveAddr+"="+s.addr, fmt.Sprint(serveNode, "=", s.node), servePeers+"="+s.peers)
	s.cmd.Stderr = os.Stderr
	var err error
	if s.life, err = s.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if s.out, err = s.cmd.StdoutPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.kill)
}

// ready waits until it serves, and the first channels are there; in a cluster that is so when the one that leads is ready.
func (s *server) ready() {
	s.t.Helper()
	defer time.AfterFunc(time.Minute, func() { s.cmd.Process.Kill() }).Stop()
	line, err := bufio.NewReader(s.out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("the chat did not start: %v", err)
	}
	s.addr = strings.TrimSpace(line)
}

// info is what it says of itself, or why it does not.
func (s *server) info() string {
	c := http.Client{Timeout: 5 * time.Second}
	resp, err := c.Get("http://" + s.addr + "/info")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprint(string(b), err)
}

func (s *server) kill() {
	s.cmd.Process.Kill() // SIGKILL; an error says that it has ended, as when it is killed twice
	s.cmd.Wait()
}

// stop ends it in an orderly way, which it must do without an error.
func (s *server) stop() {
	s.t.Helper()
	if err := s.life.Close(); err != nil {
		s.t.Error(err)
	}
	defer time.AfterFunc(time.Minute, func() { s.cmd.Process.Kill() }).Stop()
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the chat ended with %v", err)
	}
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	s.start()
	return s
}

// startCluster starts three nodes.
func startCluster(t *testing.T) (nodes [3]*server) {
	t.Helper()
	var peers []string
	for i := range nodes {
		peers = append(peers, fmt.Sprint(i+1, "=", freeAddr(t)))
	}
	for i := range nodes {
		nodes[i] = &server{t: t, dir: t.TempDir(), addr: "127.0.0.1:0", node: i + 1, peers: strings.Join(peers, ",")}
		nodes[i].launch()
	}
	for _, s := range nodes {
		s.ready()
	}
	t.Cleanup(func() { // before they end
		for i, s := range nodes {
			if t.Failed() && s.cmd.ProcessState == nil {
				t.Logf("node %d: %s", i+1, s.info())
			}
		}
	})
	return nodes
}

// Ports are tried in turn from one at random on, so that nobody is given the same one twice.
var (
	firstPort  = rand.Uint32N(20000)
	portsTried atomic.Uint32
)

// freeAddr finds an address that nobody listens on, below the ports that systems give out by themselves.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+(firstPort+portsTried.Add(1))%20000))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
}

// as sends a request in somebody's name, "" for nobody's.
func (s *server) as(name, method, path, kind, body string) (int, http.Header, string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if name != "" {
		req.AddCookie(&http.Cookie{Name: nameCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(name))})
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// TestWhoMayDoWhat: nobody speaks for another, changes what was said, or reads without a name.
func TestWhoMayDoWhat(t *testing.T) {
	s := startServer(t)
	const kind, n = "application/json", "0123456789abcdef"
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		has                      string
	}{
		{"", "GET", "/api/messages", "", 401, "say who you are"},
		{"", "POST", "/api/channels/general/messages", `{"text":"hi","nonce":"` + n + `"}`, 401, ""},
		{"Ada", "POST", "/api/channels/general/messages", `{"text":"hi","nonce":"` + n + `"}`, 200, `"author":"Ada"`},
		{"Ada", "POST", "/api/channels/general/messages", `{"text":"hi","nonce":"` + n + `"}`, 200, `"author":"Ada"`}, // the same one
		{"Bob", "POST", "/api/channels/general/messages", `{"text":"hi","nonce":"` + n + `"}`, 409, "nonce"},
		{"Ada", "POST", "/api/channels/general/messages", `{"text":"ho","nonce":"` + n + `"}`, 409, "nonce"},
		{"Ada", "POST", "/api/channels/general/messages", `{"text":"","nonce":"fedcba9876543210"}`, 422, "text"},
		{"Ada", "POST", "/api/channels/general/messages", `{"text":"hi"}`, 422, "nonce"},
		{"Ada", "POST", "/api/channels/nowhere/messages", `{"text":"hi","nonce":"fedcba9876543210"}`, 409, ""},
		{"Ada", "POST", "/api/messages", `{"channel":"general","author":"Bob","text":"I owe Ada","nonce":"fedcba9876543210"}`, 403, ""},
		{"Ada", "POST", "/api/_tx", `{"operations":[{"op":"create","model":"Message","data":{}}]}`, 403, ""},
		{"Ada", "DELETE", "/api/channels/general", "", 403, "stays as it is"},
		{"Ada", "POST", "/api/channels", `{"name":"Not A Name"}`, 422, ""},
		{"Ada", "POST", "/api/channels", `{"name":"tea-time"}`, 201, ""},
		{"Ada", "GET", "/api/messages?channel=general", "", 200, `"total":1`},
		{"Ada", "GET", "/live/rooms/channel/general", "", 200, `"users":[]`},
		{"", "GET", "/live/rooms/channel/general", "", 403, ""},
		{" Ada", "GET", "/api/messages", "", 401, ""},
		{"A\u202eda", "GET", "/api/messages", "", 401, ""},
		{strings.Repeat("a", maxName+1), "GET", "/api/messages", "", 401, ""},
	} {
		if status, _, body := s.as(c.name, c.method, c.path, map[bool]string{true: kind}[c.body != ""], c.body); status != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s: %s %s %s: %d %s, want %d with %q", c.name, c.method, c.path, c.body, status, body, c.status, c.has)
		}
	}
	s.stop()
}

// TestNames: a name is taken by a form, kept in a cookie that scripts cannot read, and given back.
func TestNames(t *testing.T) {
	s := startServer(t)
	const kind = "application/x-www-form-urlencoded"
	if status, _, page := s.as("", "GET", "/c/general", "", ""); status != 200 || !strings.Contains(page, `name="name"`) || strings.Contains(page, "<script") {
		t.Errorf("the door: %d %s", status, page)
	}
	status, h, _ := s.as("", "POST", "/name", kind, url.Values{"name": {"  Ada   L. "}, "channel": {"general"}}.Encode())
	cookie := h.Get("Set-Cookie")
	if want := nameCookie + "=" + base64.RawURLEncoding.EncodeToString([]byte("Ada L.")); status != 303 || !strings.Contains(cookie, want) || !strings.Contains(cookie, "HttpOnly") {
		t.Errorf("a name: %d %q", status, cookie)
	}
	if status, h, page := s.as("", "POST", "/name", kind, url.Values{"name": {"\u202e"}}.Encode()); status != 422 || h.Get("Set-Cookie") != "" || !strings.Contains(page, "role=\"alert\"") {
		t.Errorf("a bad name: %d %s", status, page)
	}
	if status, h, _ := s.as("Ada", "POST", "/leave", kind, "channel=general"); status != 303 || !strings.Contains(h.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("leaving: %d %q", status, h.Get("Set-Cookie"))
	}
	status, h, page := s.as("<b>", "GET", "/c/general", "", "")
	if status != 200 || strings.Contains(page, "<b>\"") || !strings.Contains(h.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Errorf("the page: %d %s", status, page)
	}
	if status, h, _ := s.as("", "GET", "/", "", ""); status != 303 || h.Get("Location") != "/c/general" {
		t.Errorf("coming in: %d %v", status, h)
	}
	s.stop()
}

// TestProgram: the program makes the first channels, stops when it is told, and makes them once.
func TestProgram(t *testing.T) {
	args := []string{"-addr", "127.0.0.1:0", "-data", t.TempDir()}
	for range 2 {
		p := program.Start(t, args...)
		s := &server{t: t, addr: strings.TrimPrefix(p.URL, "http://")}
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // they are made while it serves
			status, _, list := s.as("Ada", "GET", "/api/channels", "", "")
			if status != 200 {
				t.Fatalf("channels: %d %s", status, list)
			}
			if !strings.Contains(list, `"total":0`) {
				if !strings.Contains(list, `"total":3`) {
					t.Errorf("channels: %s", list)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatalf("no channel is made: %s\n%s", list, p.Output())
			}
		}
		p.Stop()
	}
}

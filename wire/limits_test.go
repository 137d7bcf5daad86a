package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// converse sends bytes, half-closes where the connection can, and returns all that comes
// back.
func converse(t testing.TB, nc net.Conn, send string) string {
	t.Helper()
	go func() {
		io.WriteString(nc, send) // fails when the server ends it earlier
		if h, ok := nc.(halves); ok {
			h.CloseWrite()
		}
	}()
	b, err := io.ReadAll(nc)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%q, %v", b, err)
	}
	return string(b)
}

var statusRE = regexp.MustCompile(`HTTP/1\.1 (\d\d\d) `)

// statuses returns the status codes of the responses in b.
func statuses(b string) string {
	var codes []string
	for _, m := range statusRE.FindAllStringSubmatch(b, -1) {
		codes = append(codes, m[1])
	}
	return strings.Join(codes, " ")
}

const getRequest = "GET / HTTP/1.1\r\nHost: t\r\n\r\n"

// TestLimits breaks each limit by one, and keeps it.
func TestLimits(t *testing.T) {
	head := func(n int) string { // a head of n bytes
		const rest = "GET / HTTP/1.1\r\nHost: t\r\nX: \r\n\r\n"
		return strings.Replace(rest, "X: ", "X: "+strings.Repeat("x", n-len(rest)), 1)
	}
	line := func(n int) string { // a request line of n bytes
		const rest = "GET / HTTP/1.1\r\n"
		return "GET /" + strings.Repeat("x", n-len(rest)) + " HTTP/1.1\r\nHost: t\r\n\r\n"
	}
	post := func(path string, n int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%s", path, n, strings.Repeat("x", n))
	}
	chunked := func(body string) string {
		return "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + body
	}
	trailer := func(n int) string { // a trailer section of n bytes without its empty line
		return chunked("1\r\nx\r\n0\r\nA: " + strings.Repeat("y", n-5) + "\r\n\r\n")
	}
	tiny := func(size string, n int) string { return strings.Repeat(size+"\r\nx\r\n", n) + "0\r\n\r\n" }
	cfg := Config{
		MaxHeaderBytes: 3000, MaxHeaderFields: 20, MaxBodyBytes: 9000, MaxTrailerBytes: 500, MaxDrainBytes: 2000,
	}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		for _, c := range []struct{ limit, send, want string }{
			{"MaxHeaderBytes", head(3000) + getRequest, "200 200"},
			{"MaxHeaderBytes", head(3001) + getRequest, "431"},
			{"MaxHeaderBytes", head(9000) + getRequest, "431"},
			{"MaxHeaderBytes", strings.TrimSuffix(head(3500), "\r\n\r\n"), "431"}, // without an end
			{"MaxHeaderBytes", line(2900) + getRequest, "200 200"},
			{"MaxHeaderBytes", line(3001) + getRequest, "414"},
			{"MaxHeaderBytes", strings.Repeat("x", 3000), "414"},
			{"MaxHeaderFields", "GET / HTTP/1.1\r\nHost: t\r\n" + strings.Repeat("A: b\r\n", 19) + "\r\n" + getRequest, "200 200"},
			{"MaxHeaderFields", "GET / HTTP/1.1\r\nHost: t\r\n" + strings.Repeat("A: b\r\n", 20) + "\r\n" + getRequest, "431"},
			{"MaxBodyBytes", post("/echo", 9000) + getRequest, "200 200"},
			{"MaxBodyBytes", post("/echo", 9001) + getRequest, "413"},
			{"MaxBodyBytes", chunked("2328\r\n"+strings.Repeat("x", 9000)+"\r\n0\r\n\r\n") + getRequest, "200 200"},
			{"MaxBodyBytes", chunked("2329\r\n"+strings.Repeat("x", 9001)+"\r\n0\r\n\r\n") + getRequest, "413"},
			{"MaxTrailerBytes", trailer(500) + getRequest, "200 200"},
			{"MaxTrailerBytes", trailer(501) + getRequest, "431"},
			{"MaxDrainBytes", post("/drop", 2000) + getRequest, "200 200"},
			{"MaxDrainBytes", post("/drop", 2001) + getRequest, "200"},
			{"maxChunkLine", chunked("1;a=" + strings.Repeat("x", maxChunkLine-6) + "\r\nx\r\n0\r\n\r\n"), "200"},
			{"maxChunkLine", chunked("1;a=" + strings.Repeat("x", maxChunkLine+1) + "\r\nx\r\n0\r\n\r\n"), "400"},
			{"maxChunkOverhead", chunked(tiny("1;a="+strings.Repeat("b", 96), 180)), "200"}, // 85 bytes each
			{"maxChunkOverhead", chunked(tiny("1;a="+strings.Repeat("b", 96), 200)), "400"},
			{"maxChunkOverhead", chunked(tiny("1", 9000)), "200"}, // who sends byte by byte is slow, and no attacker
			{"maxLeadingEmptyLines", "\r\n\r\n" + getRequest, "200"},
			{"maxLeadingEmptyLines", "\r\n\r\n\r\n" + getRequest, "400"},
		} {
			if got := converse(t, dial(), c.send); statuses(got) != c.want {
				t.Errorf("%s, %d bytes: %s, want %s\n%.200q", c.limit, len(c.send), statuses(got), c.want, got)
			}
		}
		until(t, "all are forgotten", func() bool { return s.Conns() == 0 })
	})
}

// TestMaxPipelined: more requests at once than are answered in one write.
func TestMaxPipelined(t *testing.T) {
	eachKind(t, Config{MaxPipelined: 3}, func(t *testing.T, s *Server, dial func() net.Conn) {
		want := strings.TrimSpace(strings.Repeat("200 ", 100))
		if got := statuses(converse(t, dial(), strings.Repeat(getRequest, 100))); got != want {
			t.Errorf("%s", got)
		}
	})
}

// writeCounter counts what the server writes at once.
type writeCounter struct {
	net.Conn
	sizes []int
}

func (w *writeCounter) Write(b []byte) (int, error) {
	w.sizes = append(w.sizes, bytes.Count(b, []byte("HTTP/1.1 200 OK\r\n")))
	return w.Conn.Write(b)
}

// TestMaxPipelinedWrites: that many responses leave in one write, no more.
func TestMaxPipelinedWrites(t *testing.T) {
	s, err := NewServer(Config{Handler: caseHandler, Logger: quiet(), MaxPipelined: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	server, client := net.Pipe()
	w := &writeCounter{Conn: server}
	done := make(chan bool)
	s.start(w)
	go func() { io.Copy(io.Discard, client); close(done) }()
	io.WriteString(client, strings.Repeat(getRequest, 7))
	until(t, "it rests", func() bool { return s.keeper.count() == 1 })
	client.Close()
	<-done
	if want := []int{3, 3, 1}; !reflect.DeepEqual(w.sizes, want) {
		t.Errorf("responses per write: %v, want %v", w.sizes, want)
	}
}

func TestMaxConns(t *testing.T) {
	eachKind(t, Config{MaxConns: 2}, func(t *testing.T, s *Server, dial func() net.Conn) {
		a, b := dial(), dial()
		defer b.Close() // which nobody refers to below, so a collection might close it
		fetch(t, a, "/")
		fetch(t, b, "/")
		if got := converse(t, dial(), getRequest); statuses(got) != "503" || !strings.Contains(got, "Retry-After: 1\r\n") {
			t.Errorf("%q", got)
		}
		a.Close()
		until(t, "there is room again", func() bool { return s.Conns() == 1 })
		fetch(t, dial(), "/")
		s.mu.Lock()
		s.refusing = maxRefusing
		s.mu.Unlock()
		if n, err := dial().Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("refused with words though too many are being told already")
		}
	})
}

// TestConfigErrors: a setting that makes no sense is named.
func TestConfigErrors(t *testing.T) {
	typ := reflect.TypeFor[Config]()
	n := 0
	for i := range typ.NumField() {
		f := typ.Field(i)
		if k := f.Type.Kind(); k != reflect.Int && k != reflect.Int64 {
			continue
		}
		n++
		cfg := Config{Handler: caseHandler}
		reflect.ValueOf(&cfg).Elem().Field(i).SetInt(-1)
		if _, err := NewServer(cfg); err == nil || !strings.Contains(err.Error(), "Config."+f.Name) {
			t.Errorf("%s = -1: %v", f.Name, err)
		}
		cfg = Config{Handler: caseHandler}
		if err := cfg.defaults(); err != nil || reflect.ValueOf(cfg).Field(i).Int() <= 0 && f.Name != "ShutdownGrace" { // there 0 means none
			t.Errorf("%s has no default", f.Name)
		}
	}
	if _, err := NewServer(Config{}); err == nil || !strings.Contains(err.Error(), "Config.Handler") {
		t.Errorf("no handler: %v", err)
	}
	if n < 10 {
		t.Errorf("only %d limits were found", n)
	}
}

// TestWriteTimeout: a client that does not read is let go.
func TestWriteTimeout(t *testing.T) {
	ended := make(chan error, 1)
	cfg := Config{WriteTimeout: 50 * time.Millisecond, Handler: func(w *Response, r *Request) error {
		b := make([]byte, 64<<10)
		for {
			if _, err := w.Write(b); err != nil {
				ended <- err
				return err
			}
		}
	}}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		io.WriteString(nc, getRequest)
		if err := <-ended; !isTimeout(err) {
			t.Errorf("%v, want a timeout", err)
		}
		until(t, "it is forgotten", func() bool { return s.Conns() == 0 })
	})
}

// TestSlowClients: whoever sends a head or a body byte by byte is cut off, and others are
// served meanwhile.
func TestSlowClients(t *testing.T) {
	cfg := Config{
		ReadHeaderTimeout: 150 * time.Millisecond, ReadBodyTimeout: 150 * time.Millisecond, MinBodyRate: 1 << 20,
		LingerTimeout: 20 * time.Millisecond,
	}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		var left atomic.Int32
		for i := range 40 {
			nc := dial()
			left.Add(1)
			if i%2 == 1 {
				io.WriteString(nc, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n")
			}
			go func() {
				for _, err := nc.Write([]byte("x")); err == nil; _, err = nc.Write([]byte("x")) {
					time.Sleep(10 * time.Millisecond)
				}
			}()
			go func() {
				b, _ := io.ReadAll(nc) // may end in a reset, since more is being sent
				if got := statuses(string(b)); got != "408" && got != "" {
					t.Errorf("a slow client got %s", got)
				}
				left.Add(-1)
			}()
		}
		nc := dial()
		served := 0
		until(t, "all slow clients are cut off", func() bool {
			fetch(t, nc, "/")
			served++
			return left.Load() == 0
		})
		if served < 3 {
			t.Errorf("only %d requests were served meanwhile", served)
		}
	})
}

// TestMinBodyRate: a body that keeps the pace may take longer than the grace.
func TestMinBodyRate(t *testing.T) {
	cfg := Config{ReadBodyTimeout: 400 * time.Millisecond, MinBodyRate: 1000}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		io.WriteString(nc, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3000\r\n\r\n")
		go func() {
			for range 10 {
				time.Sleep(60 * time.Millisecond) // ten times: longer than the grace
				io.WriteString(nc, strings.Repeat("x", 300))
			}
		}()
		b := make([]byte, 12)
		if _, err := io.ReadFull(nc, b); err != nil || string(b) != "HTTP/1.1 200" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

// TestEarlyClose ends the connection behind each byte of a conversation: what was
// complete is answered, nothing else is handled, nothing is left.
func TestEarlyClose(t *testing.T) {
	parts := []string{
		getRequest,
		"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
		"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nA: b\r\n\r\n",
		"POST /drop HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
	}
	whole := strings.Join(parts, "")
	complete := func(n int) (c int) {
		for _, p := range parts {
			if n -= len(p); n >= 0 {
				c++
			}
		}
		return c
	}
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		for n := range len(whole) + 1 {
			got := strings.Fields(strings.ReplaceAll(statuses(converse(t, dial(), whole[:n])), "100", ""))
			want := complete(n)
			dropped := n >= len(whole)-len(parts[3][strings.Index(parts[3], "\r\n\r\n"):])+4 // /drop answers behind its head
			ok := 0
			for _, code := range got {
				if code == "200" {
					ok++
				}
			}
			if ok != want && !(dropped && ok == want+1) || len(got) > want+1 || len(got) > ok && got[len(got)-1] != "400" {
				t.Fatalf("%d bytes: %v, want %d times 200", n, got, want)
			}
			nc := dial() // the same, closed both ways at once
			io.WriteString(nc, whole[:n])
			nc.Close()
		}
		until(t, "all are forgotten", func() bool { return s.Conns() == 0 })
	})
}

// TestGarbageBehindRequest: the good request in front is answered, the bad one refused,
// and what follows not read.
func TestGarbageBehindRequest(t *testing.T) {
	eachKind(t, Config{}, func(t *testing.T, s *Server, dial func() net.Conn) {
		for _, garbage := range []string{
			"\x00", "\x16\x03\x01\x02\x00", "garbage\r\n\r\n", "GET / HTTP/1.1\nHost: t\n\n", "GET / HTTP/9.9\r\nHost: t\r\n\r\n",
			"GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nnope\r\n", " GET / HTTP/1.1\r\nHost: t\r\n\r\n",
		} {
			codes := strings.Fields(statuses(converse(t, dial(), getRequest+garbage+getRequest)))
			if len(codes) != 2 || codes[0] != "200" || codes[1][0] != '4' && codes[1][0] != '5' {
				t.Errorf("%q: %v", garbage, codes)
			}
		}
	})
}

// tiredListener has no descriptors for a while.
type tiredListener struct {
	net.Listener
	errs int
}

func (l *tiredListener) Accept() (net.Conn, error) {
	if l.errs--; l.errs >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(Config{Handler: caseHandler, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(&tiredListener{l, 3}) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fetch(t, nc, "/")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
}

// pipeListener hands out ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// TestIdleTimeoutUnderFakeTime runs a server on pipes in a bubble of its own time.
func TestIdleTimeoutUnderFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewServer(Config{Handler: caseHandler, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		server, client := net.Pipe()
		l.conns <- server
		for range 3 {
			fetch(t, client, "/")
			time.Sleep(time.Minute) // less than IdleTimeout
		}
		fetch(t, client, "/")
		start := time.Now()
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%v, want the end", err)
		}
		if d := time.Since(start); d < 2*time.Minute || d > 2*time.Minute+time.Second {
			t.Errorf("closed after %v, want IdleTimeout, 2m", d)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestNothingLeaksOverManyConnections counts goroutines, descriptors and heap.
func TestNothingLeaksOverManyConnections(t *testing.T) {
	n := 1000
	if os.Getenv("LITHAIR_LONG") != "" {
		n = 10_000
	}
	eachKind(t, Config{LingerTimeout: 20 * time.Millisecond}, func(t *testing.T, s *Server, dial func() net.Conn) {
		sends := []string{
			getRequest, "GET / HT", "", "bad\r\n\r\n", "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab",
			strings.Repeat(getRequest, 5), "POST /drop HTTP/1.1\r\nHost: t\r\nContent-Length: 900000\r\n\r\n",
		}
		round := func(n int) (goroutines, fds int, heap uint64) {
			for i := range n {
				nc := dial()
				if _, err := io.WriteString(nc, sends[i%len(sends)]); err != nil {
					t.Fatal(err)
				}
				nc.Close()
			}
			until(t, "all are forgotten", func() bool { return s.Conns() == 0 })
			time.Sleep(10 * time.Millisecond)
			var m runtime.MemStats
			for range 3 { // what lies in a pool goes with the second collection
				runtime.GC()
			}
			runtime.ReadMemStats(&m)
			return runtime.NumGoroutine(), openFiles(t), m.HeapAlloc
		}
		g0, f0, h0 := round(100)
		g, f, h := round(n)
		if g > g0+2 || f > f0+2 || h > h0+1<<20 {
			t.Errorf("after %d connections: %d goroutines (%d before), %d descriptors (%d), %d bytes of heap (%d)", n, g, g0, f, f0, h, h0)
		}
		t.Logf("%d connections: %d goroutines (%d before), %d descriptors (%d), %d bytes of heap (%d)", n, g, g0, f, f0, h, h0)
	})
}

// openFiles counts the descriptors of the process where the system shows them.
func openFiles(t testing.TB) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// TestErrorKeepsNothingOfTheContent sets what describes a representation, and fails then:
// the error must not be cached or checked as that, nor be dated twice. What middleware
// says of the exchange stays.
func TestErrorKeepsNothingOfTheContent(t *testing.T) {
	const old = "Tue, 15 Nov 1994 08:12:31 GMT"
	content := []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Digest", "Repr-Digest", "ETag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges", "Trailer", "Date", "Location"}
	s, err := NewServer(Config{Logger: quiet(), Handler: func(w *Response, _ *Request) error {
		for _, name := range append(content, "X-Request-Id") {
			if err := w.SetHeader(name, old); err != nil {
				return err
			}
		}
		return Errorf(404, "nothing is here")
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	nc, server := net.Pipe()
	defer nc.Close()
	s.ServeConn(server)
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != 404 || r.Header.Get("X-Request-Id") != old || len(r.Header["Date"]) != 1 {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	for _, name := range content {
		if r.Header.Get(name) == old {
			t.Errorf("%s was kept", name)
		}
	}
}

package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests here stand real proxies in front of a server. They run with LITHAIR_LONG=1.

// back is a server behind a proxy; it counts what it is asked.
type back struct {
	addr string
	seen atomic.Int64 // heads of requests, refused ones included
	mu   sync.Mutex
	list []string // method and target of each
}

func newBack(t testing.TB) *back {
	t.Helper()
	b := &back{}
	note := func(r *Request) {
		b.mu.Lock()
		b.list = append(b.list, r.Method()+" "+r.Target())
		b.mu.Unlock()
		b.seen.Add(1)
	}
	b.addr, _ = serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			note(r)
			return caseHandler(w, r)
		}
		c.ErrorBody = func(r *Request, e *Error) (string, []byte) {
			if r.Target() == "" { // no handler has seen it
				note(r)
			}
			return problemBody(r, e)
		}
	})
	return b
}

func (b *back) since(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.list[min(n, len(b.list)):], ", ")
}

// front is a proxy before a back. It says over UDP what it forwards.
type front struct {
	name      string
	addr      string
	back      *back
	forwarded atomic.Int64 // requests given to the back
	cut       atomic.Int64 // of those, given up by proxy or client: they may never have got there
	mu        sync.Mutex
	lines     []string
}

// listenLog counts the log lines "UP=<bytes or name of the server, - and 0 for nothing sent>".
func (f *front) listenLog(t testing.TB) (port int) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, line, ok := strings.Cut(string(buf[:n]), "UP=")
			if !ok {
				continue
			}
			f.mu.Lock()
			f.lines = append(f.lines, line)
			f.mu.Unlock()
			up, _, _ := strings.Cut(line, ";")
			for try := range strings.SplitSeq(up, ",") { // one per attempt
				if try = strings.TrimSpace(try); try != "-" && try != "0" && try != "<NOSRV>" {
					f.forwarded.Add(1)
					if strings.Contains(line, ";P") || strings.Contains(line, ";C") { // how haproxy says it
						f.cut.Add(1)
					}
				}
			}
		}
	}()
	return pc.LocalAddr().(*net.UDPAddr).Port
}

// said returns the number of log lines.
func (f *front) said() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.lines)
}

func (f *front) since(n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.lines[min(n, len(f.lines)):], " | ")
}

// freePort finds a port that nobody listens at, below those that systems give out by themselves:
// there, somebody's connection could take it before the proxy does.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+rand.IntN(20000)))
		if err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// start runs a proxy until the test ends, and waits until it accepts.
func (f *front) start(t testing.TB, port int, program string, args ...string) {
	t.Helper()
	f.addr = fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %.2000s", f.name, out.String())
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", f.addr); err == nil {
			nc.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not start: %s", f.name, out.String())
		}
	}
}

func writeConf(t testing.TB, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nginx reads a request's body before it forwards anything, or streams it.
func nginx(t testing.TB, b *back, streams bool) *front {
	f := &front{name: "nginx", back: b}
	buffering := "on"
	if streams {
		f.name, buffering = "nginx, streaming", "off"
	}
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr error;
events { worker_connections 1000; }
http {
	log_format front 'UP=$upstream_bytes_sent;$upstream_status $status $request';
	access_log syslog:server=127.0.0.1:%[2]d,nohostname,tag=front front;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	keepalive_requests 100000; client_header_timeout 2s; client_body_timeout 2s; client_max_body_size 20m;
	upstream back { server %[3]s; keepalive 8; keepalive_requests 100000; }
	server {
		listen 127.0.0.1:%[4]d;
		location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_request_buffering %[5]s; }
	}
}`, dir, f.listenLog(t), b.addr, port, buffering)
	f.start(t, port, "nginx", "-e", "stderr", "-p", dir, "-c", writeConf(t, dir, conf))
	return f
}

func haproxy(t testing.TB, b *back) *front {
	f := &front{name: "haproxy", back: b}
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`global
	log 127.0.0.1:%d local0
	maxconn 1000
defaults
	mode http
	log global
	log-format "UP=%%s;%%ts %%ST %%r"
	timeout connect 5s
	timeout client 2s
	timeout server 5s
	http-reuse always
frontend in
	bind 127.0.0.1:%d
	default_backend out
backend out
	server back %s
`, f.listenLog(t), port, b.addr)
	f.start(t, port, "haproxy", "-db", "-f", writeConf(t, dir, conf))
	return f
}

// fronts returns the proxies that are installed, each with a server of its own.
func fronts(t *testing.T) (list []*front) {
	t.Helper()
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("starts real proxies: set LITHAIR_LONG=1")
	}
	if _, err := exec.LookPath("nginx"); err == nil {
		list = append(list, nginx(t, newBack(t), false), nginx(t, newBack(t), true))
	} else {
		t.Log("skipped: nginx is not installed")
	}
	if _, err := exec.LookPath("haproxy"); err == nil {
		list = append(list, haproxy(t, newBack(t)))
	} else {
		t.Log("skipped: haproxy is not installed")
	}
	if len(list) == 0 {
		t.Skip("neither nginx nor haproxy is installed")
	}
	return list
}

// vector is what a client sends on one connection.
type vector struct {
	id    string
	steps []caseStep
}

// smugglers are all shared cases, and each evil field line in requests of several
// framings, with a request hidden where it would be one if the two disagree.
func smugglers(t testing.TB) (list []vector) {
	for _, c := range loadCases(t) {
		list = append(list, vector{c.id, c.steps})
	}
	const hidden = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	bodies := []string{
		"Content-Length: 39\r\n\r\n0\r\n\r\n" + hidden,
		"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"Transfer-Encoding: chunked\r\n\r\n27;x\r\n0\r\n\r\n" + hidden + "\r\n0\r\n\r\n",
		"\r\n" + hidden,
		"Content-Length: 5\r\n\r\nhello" + hidden,
	}
	for i, line := range evilLines {
		for j, body := range bodies {
			for k, ends := range []string{"\r\n", "\n", "\r"} {
				if k > 0 && j > 1 {
					continue
				}
				raw := "POST /echo HTTP/1.1\r\nHost: h\r\n" + line + ends + body
				list = append(list, vector{fmt.Sprintf("line %d, body %d, end %d", i, j, k), []caseStep{{data: []byte(raw)}}})
			}
		}
	}
	for _, size := range []string{"0", "00", "-0", "0x0", " 0", "0 ", "0;", "0;a=b", "0;\n", "0\n", "0\r", "1", "100000000", "ffffffffffffffff1", "2e", "2E;", "\xef\xbc\x90"} {
		for _, end := range []string{"\r\n", "\n", "\r\r\n", ""} {
			raw := "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + size + end + "\r\n" + hidden + "\r\n0\r\n\r\n"
			list = append(list, vector{fmt.Sprintf("chunk size %q, end %q", size, end), []caseStep{{data: []byte(raw)}}})
		}
	}
	return list
}

// send plays a vector and returns what comes back until there is silence.
func (v *vector) send(addr string) ([]byte, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	for _, s := range v.steps {
		switch {
		case s.shut:
			nc.(*net.TCPConn).CloseWrite() // the proxy may have closed
		case s.pause > 0:
			time.Sleep(s.pause)
		default:
			if _, err := nc.Write(s.data); err != nil {
				break
			}
		}
	}
	var got []byte
	buf := make([]byte, 64<<10)
	for {
		if err := nc.SetReadDeadline(time.Now().Add(60 * time.Millisecond)); err != nil {
			return got, err
		}
		n, err := nc.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			return got, nil
		}
	}
}

// TestNothingIsSmuggledPastProxies sends every vector through each proxy. What the proxy
// forwarded and what the server saw must be the same number, and the next client's
// request must get its own answer.
func TestNothingIsSmuggledPastProxies(t *testing.T) {
	list := smugglers(t)
	var wg sync.WaitGroup
	for _, f := range fronts(t) {
		wg.Go(func() {
			sums := [2]int64{}
			for i, v := range list {
				forwarded, cut, seen, lines := f.forwarded.Load(), f.cut.Load(), f.back.seen.Load(), f.said()
				if _, err := v.send(f.addr); err != nil {
					t.Errorf("%s: %s: %v", f.name, v.id, err)
					return
				}
				if problem := f.probe(i); problem != "" {
					t.Errorf("%s: after %s: %s", f.name, v.id, problem)
				}
				var a, b int64
				agree := func() bool {
					a, b = f.forwarded.Load()-forwarded, f.back.seen.Load()-seen
					return b <= a && a-b <= f.cut.Load()-cut
				}
				probed := fmt.Sprintf("/probe-%d ", i)
				for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // a proxy may speak of a request only when its client has timed out
					if agree() && strings.Contains(f.since(lines), probed) || time.Now().After(deadline) {
						break
					}
				}
				if !agree() {
					t.Errorf("%s: %s: the proxy forwarded %d requests, the server saw %d\n sent %.400q\n proxy: %s\n server: %s", f.name, v.id, a, b, v.steps[0].data, f.since(lines), f.back.since(int(seen)))
				}
				sums[0], sums[1] = sums[0]+a, sums[1]+b
			}
			t.Logf("%s: %d vectors, each followed by a probe: %d requests forwarded, %d seen", f.name, len(list), sums[0], sums[1])
		})
	}
	wg.Wait()
}

// probe sends an ordinary request of another client.
func (f *front) probe(i int) string {
	v := vector{steps: []caseStep{{data: fmt.Appendf(nil, "GET /probe-%d HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n", i)}}}
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Write(v.steps[0].data); err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(nc)
	if err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 200 ")) || !bytes.Contains(b, fmt.Appendf(nil, "target=/probe-%d\n", i)) {
		return fmt.Sprintf("the probe got %.300q, %v", b, err)
	}
	return ""
}

// TestExchangesThroughProxies has clients exchange 10,000 messages through each proxy on
// kept connections: pipelined, chunked, HEAD, 100-continue, with uploads given up half-way.
// Every response must be that of its request.
func TestExchangesThroughProxies(t *testing.T) {
	const clients, each = 8, 1250
	for _, f := range fronts(t) {
		var done, aborted, wrong atomic.Int64
		kinds := map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				x := &exchanger{addr: f.addr, rng: rand.New(rand.NewPCG(uint64(c), 77))}
				for n := 0; n < each; n++ {
					kind, err := x.one(fmt.Sprintf("%d-%d", c, n))
					mu.Lock()
					kinds[kind]++
					mu.Unlock()
					switch {
					case err != nil:
						t.Errorf("%s: %s: %v", f.name, kind, err)
						if wrong.Add(1) > 10 {
							return
						}
						x.drop()
					case kind == "aborted":
						aborted.Add(1)
					}
					done.Add(1)
				}
				x.drop()
			})
		}
		wg.Wait()
		t.Logf("%s: %d exchanges, %d mismatches: %v", f.name, done.Load(), wrong.Load(), kinds)
	}
}

// exchanger is a client that knows what each answer must be.
type exchanger struct {
	addr string
	rng  *rand.Rand
	nc   net.Conn
	br   *bufio.Reader
}

func (x *exchanger) drop() {
	if x.nc != nil {
		x.nc.Close()
		x.nc = nil
	}
}

func (x *exchanger) write(format string, args ...any) error {
	if x.nc == nil {
		nc, err := net.Dial("tcp", x.addr)
		if err != nil {
			return err
		}
		x.nc, x.br = nc, bufio.NewReader(nc)
	}
	if err := x.nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(x.nc, format, args...)
	return err
}

// expect reads a response and compares.
func (x *exchanger) expect(method string, status int, contains, body string) error {
	resp, err := http.ReadResponse(x.br, &http.Request{Method: method})
	if err != nil {
		return err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != status || contains != "" && !strings.Contains(string(b), contains) || contains == "" && string(b) != body {
		return fmt.Errorf("status %d, %.200q; want %d, %q %.200q", resp.StatusCode, b, status, contains, body)
	}
	if resp.Close {
		x.drop()
	}
	return nil
}

// one does one exchange, or a pipeline of three.
func (x *exchanger) one(id string) (kind string, err error) {
	body := strings.Repeat(id+";", 1+x.rng.IntN(2000))
	switch x.rng.IntN(8) {
	case 0:
		if err = x.write("GET /get-%s HTTP/1.1\r\nHost: h\r\n\r\n", id); err == nil {
			err = x.expect("GET", 200, "target=/get-"+id+"\n", "")
		}
		return "get", err
	case 1:
		if err = x.write("HEAD /echo?%s HTTP/1.1\r\nHost: h\r\n\r\n", id); err == nil {
			err = x.expect("HEAD", 200, "", "")
		}
		return "head", err
	case 2:
		if err = x.write("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err == nil {
			err = x.expect("POST", 200, "", body)
		}
		return "length", err
	case 3:
		cut := x.rng.IntN(len(body))
		if err = x.write("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"); err == nil {
			for _, part := range []string{body[:cut], body[cut:]} {
				if part != "" && err == nil {
					err = x.write("%x;e=1\r\n%s\r\n", len(part), part)
				}
			}
		}
		if err == nil {
			err = x.write("0\r\nX-Trailer: %s\r\n\r\n", id)
		}
		if err == nil {
			err = x.expect("POST", 200, "", body)
		}
		return "chunked", err
	case 4:
		if err = x.write("GET /a-%s HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%sGET /stream?%s HTTP/1.1\r\nHost: h\r\n\r\n", id, len(id), id, id); err == nil {
			err = x.expect("GET", 200, "target=/a-"+id+"\n", "")
		}
		if err == nil && x.nc != nil {
			err = x.expect("POST", 200, "", id)
		}
		if err == nil && x.nc != nil {
			err = x.expect("GET", 200, "", "onetwothree")
		}
		return "pipelined", err
	case 5:
		if err = x.write("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body)); err == nil {
			err = x.expect100()
		}
		if err == nil {
			err = x.write("%s", body)
		}
		if err == nil {
			err = x.expect("POST", 200, "", body)
		}
		return "100-continue", err
	case 6:
		if x.rng.IntN(2) == 0 {
			err = x.write("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body)+100, body)
		} else {
			err = x.write("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", len(body)+100, body)
		}
		x.drop()
		return "aborted", err
	}
	if err = x.write("GET /empty?%s HTTP/1.1\r\nHost: h\r\n\r\n", id); err == nil {
		err = x.expect("GET", 204, "", "")
	}
	return "empty", err
}

// expect100 reads the interim response.
func (x *exchanger) expect100() error {
	line, err := x.br.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		return fmt.Errorf("%q, want 100", line)
	}
	for line != "\r\n" {
		if line, err = x.br.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

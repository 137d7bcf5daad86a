package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memConn is a connection whose client sends all it has, in pieces of a given size, and
// ends its half. What the server says is gathered.
type memConn struct {
	in    []byte
	piece int
	mu    sync.Mutex // protects out
	out   []byte
	over  chan struct{} // closed when the server has said its last
	once  sync.Once
}

func (c *memConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.in[:min(len(c.in), c.piece)])
	c.in = c.in[n:]
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, p...)
	return len(p), nil
}

// CloseWrite is where net/http has said its last; it goes on to sleep half a second.
func (c *memConn) CloseWrite() error                { c.once.Do(func() { close(c.over) }); return nil }
func (c *memConn) Close() error                     { return c.CloseWrite() }
func (c *memConn) LocalAddr() net.Addr              { return &net.UnixAddr{Net: "unix"} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "unix"} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

func newMemListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// seen is a request as a server understood it.
type seen struct{ method, target, host, body, fields string }

// player plays bytes to one server and notes the requests it hands to its handler whole.
type player struct {
	l    *pipeListener
	unix string // the path of a socket to use in place of l
	mu   sync.Mutex
	list []seen // under mu
}

func (p *player) note(s seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, s)
}

// take returns the requests since the last call.
func (p *player) take() (list []seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list, p.list = p.list, nil
	return list
}

// play returns the requests and what the server said.
func (p *player) play(t testing.TB, raw []byte, piece int) (list []seen, said []byte) {
	if p.unix != "" {
		return p.playSocket(t, raw)
	}
	c := &memConn{in: raw, piece: piece, over: make(chan struct{})}
	p.l.conns <- c
	select {
	case <-c.over:
	case <-time.After(time.Minute):
		t.Fatalf("a server does not end: %q", raw)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.take(), c.out
}

// playSocket goes through the system, where a server reads in another way.
func (p *player) playSocket(t testing.TB, raw []byte) (list []seen, said []byte) {
	nc, err := net.Dial("unix", p.unix)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	if _, err := nc.Write(raw); err == nil { // it may have been refused and closed already
		nc.(*net.UnixConn).CloseWrite()
	}
	said, err = io.ReadAll(nc)
	if err != nil && len(said) == 0 {
		t.Errorf("%q: %v", raw, err)
	}
	return p.take(), said
}

// wirePlayer and stdPlayer are the two that are compared.
func wirePlayer(t testing.TB, unix bool) *player {
	t.Helper()
	p := &player{l: newMemListener()}
	s, err := NewServer(Config{Logger: quiet(), Handler: func(w *Response, r *Request) error {
		b, err := r.BorrowBody(0)
		if err != nil {
			return err
		}
		var fields strings.Builder
		for name, value := range r.Headers() {
			fields.WriteString(name + ": " + value + "\n")
		}
		p.note(seen{r.Method(), r.Target(), strings.ToLower(r.Host()), string(b), fields.String()})
		return w.Send(200, "text/plain", []byte("ok"))
	}})
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener = p.l
	if unix {
		p.unix = t.TempDir() + "/s"
		if l, err = ListenUnix(p.unix, 0); err != nil {
			t.Fatal(err)
		}
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return p
}

func stdPlayer(t testing.TB) *player {
	p := &player{l: newMemListener()}
	s := &http.Server{DisableGeneralOptionsHandler: true, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		p.note(seen{method: r.Method, target: r.RequestURI, host: strings.ToLower(r.Host), body: string(b)})
		w.Write([]byte("ok"))
	})}
	go s.Serve(p.l)
	t.Cleanup(func() { s.Close() })
	return p
}

// A pardon is a reason for which net/http may refuse what wire accepts. Everything else is
// a failure. fits is asked about the first request that net/http does not see as well.
type pardon struct {
	name string
	fits func(w seen, raw, hsaid []byte) bool
}

var pardons = []pardon{
	{"targets are parsed as URLs there; here the router refuses broken escapes, and the handler sees the target as sent (RFC 9112 §3.2)", func(w seen, _, _ []byte) bool {
		target := w.target
		if w.method == "CONNECT" {
			target = "http://" + target
		}
		_, err := url.ParseRequestURI(target)
		return err != nil
	}},
	{"empty lines in front of a request line are skipped here (RFC 9112 §2.2)", func(w seen, raw, hsaid []byte) bool {
		return bytes.Contains(raw, []byte("\r\n"+w.method+" "+w.target+" HTTP/1.")) && bytes.HasPrefix(lastReply(hsaid), []byte("HTTP/1.1 400 Bad Request\r\n"))
	}},
	{"white space around ; and = of chunk extensions is taken here (RFC 9112 §7.1.1)", func(w seen, raw, _ []byte) bool {
		return badWhiteSpace.Match(raw)
	}},
	{"the word close counts there inside a malformed Connection option, too (RFC 9110 §7.6.1)", func(_ seen, raw, hsaid []byte) bool {
		return closeInside.Match(raw) && bytes.Contains(lastReply(hsaid), []byte("\r\nConnection: close\r\n"))
	}},
	{"a forbidden trailer that is only announced is refused there; here the trailer itself is (RFC 9110 §6.5.1)", func(_ seen, raw, hsaid []byte) bool {
		return badTrailer.Match(raw) && bytes.HasPrefix(lastReply(hsaid), []byte("HTTP/1.1 400 Bad Request\r\n"))
	}},
	{"of several Connection fields of a 1.0 request the first alone counts there (RFC 9110 §5.3)", func(_ seen, raw, hsaid []byte) bool {
		return twoConnections.Match(raw) && bytes.HasPrefix(lastReply(hsaid), []byte("HTTP/1.0 200 OK\r\n"))
	}},
}

var (
	replyStart     = regexp.MustCompile(`HTTP/1\.[01] \d{3} `)
	badTrailer     = regexp.MustCompile(`(?i)\r\nTrailer:.*(Content-Length|Transfer-Encoding|Trailer)`)
	twoConnections = regexp.MustCompile(`(?i) HTTP/1\.0\r\n(.*\r\n)*?Connection:.*\r\n(.*\r\n)*?Connection:`)
	badWhiteSpace  = regexp.MustCompile(`\r\n[0-9A-Fa-f]+[ \t]+;`)
	keepInside     = regexp.MustCompile(`(?i) HTTP/1\.0\r\n(.*\r\n)*?Connection:[^\r\n]*([^\r\n, \t][ \t]+keep-alive|keep-alive[ \t]+[^\r\n, \t])`)
	closeInside    = regexp.MustCompile(`(?i)\r\nConnection:[^\r\n]*([^\r\n, \t][ \t]+close|close[ \t]+[^\r\n, \t])`)
)

// compare says what is wrong about two readings of the same bytes, or "".
func compare(raw []byte, w, h []seen, wsaid, hsaid []byte) (wrong, pardoned string) {
	for i, r := range w {
		if i < len(h) && sameRequest(r, h[i]) {
			continue
		}
		for _, p := range pardons {
			if p.fits(r, raw, hsaid) {
				return "", p.name
			}
		}
		if i >= len(h) {
			return fmt.Sprintf("wire accepts request %d, %+q; net/http refuses it: %.200q", i+1, r, lastReply(hsaid)), ""
		}
		return fmt.Sprintf("request %d is %+q, for net/http %+q", i+1, r, h[i]), ""
	}
	if len(w) < len(h) && bytes.Contains(lastReply(wsaid), []byte("\r\nConnection: close\r\n")) {
		switch {
		case keepInside.Match(raw):
			return "", "the word keep-alive counts there inside a malformed Connection option, too: a 1.0 connection is closed here"
		case twoConnections.Match(raw):
			return "", "of several Connection fields of a 1.0 request the first alone counts there; close anywhere counts here (RFC 9112 §9.3)"
		}
	}
	if len(w) < len(h) && !refusedByStatus(wsaid) {
		return fmt.Sprintf("wire sees %d requests and refuses none, net/http sees %d; the next is %+q; wire said %.300q", len(w), len(h), h[len(w)], lastReply(wsaid)), ""
	}
	return "", ""
}

func sameRequest(a, b seen) bool {
	sameHost := a.host == b.host || a.method == "CONNECT" || strings.Contains(a.host, "%") // which is decoded there
	return a.method == b.method && a.target == b.target && a.body == b.body && sameHost
}

func lastReply(said []byte) []byte {
	if all := replyStart.FindAllIndex(said, -1); len(all) > 0 {
		return said[all[len(all)-1][0]:]
	}
	return said
}

// refusedByStatus says that the server's last word was an error, and that it closed.
func refusedByStatus(said []byte) bool {
	last := lastReply(said)
	return len(last) > 10 && (last[9] == '4' || last[9] == '5') && bytes.Contains(last, []byte("\r\nConnection: close\r\n"))
}

// mutator makes requests out of others. The same seed makes the same.
type mutator struct {
	seeds [][]byte
	rng   *rand.Rand
}

func newMutator(t testing.TB) *mutator {
	m := &mutator{}
	for _, c := range loadCases(t) {
		var b []byte
		for _, s := range c.steps {
			b = append(b, s.data...)
		}
		if len(b) < 2000 {
			m.seeds = append(m.seeds, b)
		}
	}
	for _, s := range []string{
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b?x=1 HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\nX-T: v\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
		"PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcGET http://other:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		m.seeds = append(m.seeds, []byte(s))
	}
	return m
}

var evilLines = []string{
	"Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding:\tchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked, identity",
	"Transfer-Encoding: \"chunked\"", "Transfer-Encoding: xchunked", "Transfer-Encoding\x00: chunked", "transfer-encoding: Chunked", "Transfer-Encoding: chunked;q=1", " Transfer-Encoding: chunked",
	"Content-Length: 0", "Content-Length: 5", "Content-Length: +5", "Content-Length: 05", "Content-Length: 5, 5", "Content-Length: 5,6", "Content-Length: 0x5", "Content-Length: 5 ", "Content-Length: 18446744073709551621",
	"Content-Length: -1", "Content-Length:", "Content_Length: 5", "Content-Length: 5\x0b", "Host: other", "Host: a, b", "Host: a b", "Host:", "Host: [::1", "Host: h:99999", "Connection: close", "Connection: keep-alive", "Connection: content-length",
	"Expect: 100-continue", "Expect: 200-ok", "Upgrade: websocket", "X: a\r b", "X: a\n b", ": empty", "NoColon", "X y: z", "Trailer: Content-Length", "TE: trailers", "Content-Length: 5\nX: y", "X: \x7f", "X: \xff",
}

var evilBytes = []byte("\r\n\x00 \t:;,0159afAF\"\\/%?#@+-_.\x0b\x0c\x7f\x80\x85\xa0\xffGEThHx=")

// make returns the bytes of a seed.
func (m *mutator) make(seed uint64) []byte {
	m.rng = rand.New(rand.NewPCG(seed, 0xd1ff))
	b := bytes.Clone(m.pick())
	if m.rng.IntN(4) == 0 {
		b = append(b, m.pick()...)
	}
	for range m.rng.IntN(4) {
		b = m.change(b)
	}
	return b
}

// pick returns a seed: in half of the cases one of the last few, which are sound.
func (m *mutator) pick() []byte {
	if m.rng.IntN(2) == 0 {
		return m.seeds[len(m.seeds)-1-m.rng.IntN(soundSeeds)]
	}
	return m.seeds[m.rng.IntN(len(m.seeds))]
}

const soundSeeds = 4

func (m *mutator) change(b []byte) []byte {
	if len(b) == 0 {
		return bytes.Clone(m.pick())
	}
	at := m.rng.IntN(len(b))
	end := min(len(b), at+1+m.rng.IntN(8))
	switch m.rng.IntN(10) {
	case 0: // another byte
		b[at] = evilBytes[m.rng.IntN(len(evilBytes))]
	case 1: // one more
		return splice(b, at, at, evilBytes[m.rng.IntN(len(evilBytes))])
	case 2: // some fewer
		return splice(b, at, end)
	case 3: // again
		return splice(b, at, at, b[at:end]...)
	case 4, 5: // one more field line
		at, _ = m.line(b)
		return splice(b, at, at, []byte(evilLines[m.rng.IntN(len(evilLines))]+"\r\n")...)
	case 6: // a line twice
		from, to := m.line(b)
		return splice(b, to, to, b[from:to]...)
	case 7: // a line out
		from, to := m.line(b)
		return splice(b, from, to)
	case 8: // another number
		if i := bytes.IndexAny(b[at:], "0123456789"); i >= 0 {
			return splice(b, at+i, at+i+1, []byte(strconv.Itoa(m.rng.IntN(20)))...)
		}
	case 9: // another case
		b[at] ^= 0x20
	}
	return b
}

// line returns where some line begins and ends.
func (m *mutator) line(b []byte) (from, to int) {
	at := m.rng.IntN(len(b))
	from = bytes.LastIndexByte(b[:at], '\n') + 1
	if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
		return from, at + i + 1
	}
	return from, len(b)
}

func splice(b []byte, from, to int, with ...byte) []byte {
	out := append(make([]byte, 0, len(b)+len(with)), b[:from]...)
	return append(append(out, with...), b[to:]...)
}

// TestAgainstNetHTTP plays mutated requests to wire and to net/http. wire must accept no
// request that net/http refuses, see none in another way, and never count fewer without
// having refused one by its status. LITHAIR_SEED=N plays one seed and prints it.
func TestAgainstNetHTTP(t *testing.T) {
	rounds := uint64(4000)
	if os.Getenv("LITHAIR_LONG") == "1" {
		rounds = 1_000_000
	}
	if s := os.Getenv("LITHAIR_ROUNDS"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	first := uint64(1)
	if s := os.Getenv("LITHAIR_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds = n, 1
	}
	var next, failures, requests, refusals atomic.Uint64
	next.Store(first)
	var mu sync.Mutex
	why := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for worker := range 2 {
		wg.Go(func() {
			ours, std, m := wirePlayer(t, worker == 1), stdPlayer(t), newMutator(t)
			for ctx.Err() == nil {
				seed := next.Add(1) - 1
				if seed >= first+rounds {
					return
				}
				raw := m.make(seed)
				piece := []int{1 << 20, 1, 7, 100}[seed%4]
				w, wsaid := ours.play(t, raw, piece)
				h, hsaid := std.play(t, raw, piece)
				wrong, pardoned := compare(raw, w, h, wsaid, hsaid)
				requests.Add(uint64(len(w)))
				if refusedByStatus(wsaid) {
					refusals.Add(1)
				}
				if pardoned != "" {
					mu.Lock()
					why[pardoned]++
					mu.Unlock()
				}
				if wrong != "" {
					t.Errorf("LITHAIR_SEED=%d: %s\n%q", seed, wrong, raw)
					if failures.Add(1) > 20 {
						cancel()
					}
				}
				if rounds == 1 {
					t.Logf("sent %q\nwire: %+q\n%s\nnet/http: %+q\n%s", raw, w, wsaid, h, hsaid)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d mutated connections: wire handled %d requests, refused %d; net/http stricter: %v", rounds, requests.Load(), refusals.Load(), why)
	if rounds > 1 && (requests.Load() < rounds/4 || refusals.Load() < rounds/4) {
		t.Error("the mutations are too wild or too tame to say much")
	}
}

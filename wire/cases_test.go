package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The cases in testdata/http1 are raw requests and what a sound server may do with them;
// the README there has the format.

type httpCase struct {
	id, level, ref string
	steps          []caseStep
	heads          map[int]bool
	wants          []outcome
}

type caseStep struct {
	data  []byte
	pause time.Duration
	shut  bool
}

type outcome struct {
	text    string
	replies []wantReply
	end     string
}

type wantReply struct {
	status   []string
	times    int
	optional bool
	checks   []string
}

func loadCases(t testing.TB) (cases []*httpCase) {
	t.Helper()
	f, err := os.Open("testdata/http1/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c *httpCase
	join := false
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		word, arg, _ := strings.Cut(sc.Text(), " ")
		switch word {
		case "case":
			c = &httpCase{id: arg, level: "must", heads: map[int]bool{}}
			cases = append(cases, c)
		case "level":
			c.level = arg
		case "ref":
			c.ref = arg
		case "send", "rep":
			n := 1
			if word == "rep" {
				var num string
				num, arg, _ = strings.Cut(arg, " ")
				n, _ = strconv.Atoi(num)
			}
			s, err := strconv.Unquote(arg)
			if err != nil {
				t.Fatalf("%s: %s: %v", c.id, arg, err)
			}
			b := bytes.Repeat([]byte(s), n)
			if last := len(c.steps) - 1; join && last >= 0 {
				c.steps[last].data = append(c.steps[last].data, b...)
			} else {
				c.steps = append(c.steps, caseStep{data: b})
			}
			join = true
			continue
		case "pause":
			ms, _ := strconv.Atoi(arg)
			c.steps = append(c.steps, caseStep{pause: time.Duration(ms) * time.Millisecond})
		case "shut":
			c.steps = append(c.steps, caseStep{shut: true})
		case "heads":
			for _, n := range strings.Fields(arg) {
				i, _ := strconv.Atoi(n)
				c.heads[i] = true
			}
		case "want":
			c.wants = append(c.wants, parseOutcome(t, arg))
		}
		join = false
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

var (
	wordRE  = regexp.MustCompile(`^(?:[^\s"]|"(?:[^"\\]|\\.)*")+`)
	checkRE = regexp.MustCompile(`^(body=|body~|body!|hdr~|nohdr=)`)
)

func parseOutcome(t testing.TB, s string) outcome {
	t.Helper()
	o := outcome{text: s}
	for rest := strings.TrimSpace(s); rest != ""; {
		w := wordRE.FindString(rest)
		if w == "" {
			t.Fatalf("outcome %q", s)
		}
		rest = strings.TrimSpace(rest[len(w):])
		switch {
		case checkRE.MatchString(w):
			r := &o.replies[len(o.replies)-1]
			r.checks = append(r.checks, w)
		case rest == "":
			o.end = w
		default:
			r := wantReply{times: 1}
			w, r.optional = strings.CutPrefix(w, "?")
			pat, n, many := strings.Cut(w, "*")
			if many {
				r.times, _ = strconv.Atoi(n)
			}
			r.status = strings.Split(pat, "|")
			o.replies = append(o.replies, r)
		}
	}
	return o
}

type gotReply struct {
	status string
	head   string
	body   string
}

// caseHandler implements the endpoints of the README.
func caseHandler(w *Response, r *Request) error {
	switch r.RawPath() {
	case "/echo":
		b, err := r.BorrowBody(0)
		if err != nil {
			return err
		}
		return w.Send(200, "", b)
	case "/empty":
		w.Status(204)
		return nil
	case "/notmod":
		w.Status(304)
		return w.SetHeader("ETag", `"x"`)
	case "/stream":
		for _, s := range []string{"one", "two", "three"} {
			if _, err := w.WriteString(s); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return nil
	case "/drop":
		return w.Send(200, "text/plain", []byte("dropped"))
	}
	b, err := r.BorrowBody(0)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "method=%s\ntarget=%s\nhost=%s\nbody=%d\n", r.Method(), r.Target(), r.Host(), len(b))
	for n, v := range r.Headers() {
		fmt.Fprintf(&out, "h:%s=%s\n", strings.ToLower(n), v)
	}
	return w.Send(200, "text/plain", out.Bytes())
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// serveCases starts a server on loopback.
func serveCases(t testing.TB, change ...func(*Config)) (addr string, s *Server) {
	t.Helper()
	cfg := Config{Handler: caseHandler, Logger: quiet(), LingerTimeout: 100 * time.Millisecond}
	for _, fn := range change {
		fn(&cfg)
	}
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String(), s
}

// The ways a case's bytes are cut into writes.
var cuts = []string{"whole", "bytes", "random"}

const caseQuiet = 120 * time.Millisecond

// run plays a case and says why the outcome is not permitted, or "".
func (c *httpCase) run(addr, cut string, seed uint64) string {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	tc := nc.(*net.TCPConn)
	var mu sync.Mutex
	var got []byte
	ended := false
	news := make(chan struct{}, 1)
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, err := tc.Read(b)
			mu.Lock()
			got = append(got, b[:n]...)
			ended = err != nil
			mu.Unlock()
			select {
			case news <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	// settle waits for silence or the end.
	settle := func(d time.Duration) (sofar []byte, end bool) {
		for {
			mu.Lock()
			end = ended
			mu.Unlock()
			if end {
				break
			}
			select {
			case <-news:
				continue
			case <-time.After(d):
			}
			break
		}
		mu.Lock()
		defer mu.Unlock()
		return bytes.Clone(got), ended
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	for _, s := range c.steps {
		switch {
		case s.shut:
			tc.CloseWrite()
		case s.pause > 0:
			time.Sleep(s.pause)
		default:
			for b := s.data; len(b) > 0; {
				n := len(b)
				if cut == "bytes" && len(s.data) < 5000 {
					n = 1
				} else if cut != "whole" {
					n = min(n, 1+rng.IntN(max(2, len(s.data)/3)))
				}
				if _, err := tc.Write(b[:n]); err != nil {
					b = nil
					break
				}
				if b = b[n:]; len(b) > 0 && cut != "whole" && n > 1 {
					time.Sleep(time.Millisecond)
				}
			}
		}
	}
	before, end := settle(caseQuiet)
	sent := false
	if !end {
		for _, w := range c.wants {
			sent = sent || w.end == "open"
		}
		if sent {
			tc.Write([]byte("GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"))
		}
	}
	after, endAfter := before, end
	if sent || !end {
		d := caseQuiet
		for _, w := range c.wants {
			if w.end == "close" || w.end == "drop" {
				d = 10 * caseQuiet
			}
		}
		after, endAfter = settle(d)
	}
	var why []string
	for _, w := range c.wants {
		problem := c.judge(w, before, after, end, endAfter, sent)
		if problem == "" {
			return ""
		}
		why = append(why, w.text+": "+problem)
	}
	return strings.Join(why, "\n    ") + fmt.Sprintf("\n    got %.300q, ended %v", after, endAfter)
}

func (c *httpCase) judge(w outcome, before, after []byte, end, endAfter, sent bool) string {
	stream := before
	if w.end == "open" {
		if end || !sent {
			return "the connection ended"
		}
		stream = after
	} else if sent && !end {
		stream = before
	}
	replies, problem := splitReplies(stream, c.heads)
	if problem != "" {
		return problem
	}
	if w.end == "open" {
		if len(replies) == 0 {
			return "no reply to the probe"
		}
		p := replies[len(replies)-1]
		if p.status != "200" || !strings.Contains(p.body, "target=/probe\n") || !strings.Contains(p.body, "host=probe\n") {
			return "the probe got " + p.status
		}
		replies = replies[:len(replies)-1]
	}
	if problem := matchReplies(w.replies, replies); problem != "" {
		return problem
	}
	switch w.end {
	case "close", "drop":
		if !endAfter || sent && !end && len(after) > len(before) {
			return "the connection was not closed"
		}
	case "wait":
		if end {
			return "the connection ended"
		}
	}
	return ""
}

func matchReplies(want []wantReply, got []gotReply) string {
	if len(want) == 0 {
		if len(got) > 0 {
			return "unexpected reply " + got[0].status
		}
		return ""
	}
	w := want[0]
	if w.optional {
		if problem := matchReplies(want[1:], got); problem == "" {
			return ""
		}
	}
	for range w.times {
		if len(got) == 0 {
			return "a reply " + strings.Join(w.status, "|") + " is missing"
		}
		if problem := w.match(got[0]); problem != "" {
			return problem
		}
		got = got[1:]
	}
	return matchReplies(want[1:], got)
}

func (w wantReply) match(g gotReply) string {
	ok := false
	for _, s := range w.status {
		ok = ok || len(s) == 3 && s[0] == g.status[0] && (s[1:] == "xx" || s == g.status)
	}
	if !ok {
		return "status " + g.status
	}
	for _, c := range w.checks {
		op := checkRE.FindString(c)
		arg, err := strconv.Unquote(c[len(op):])
		if err != nil {
			return c
		}
		body, low := strings.ToLower(g.body), strings.ToLower(arg)
		switch op {
		case "body=":
			ok = g.body == arg
		case "body~":
			ok = strings.Contains(body, low)
		case "body!":
			ok = !strings.Contains(body, low)
		case "hdr~", "nohdr=":
			name, part, _ := strings.Cut(low, ": ")
			found := false
			for _, line := range strings.Split(strings.ToLower(g.head), "\r\n") {
				n, v, has := strings.Cut(line, ":")
				found = found || has && n == name && strings.Contains(v, part)
			}
			ok = found == (op == "hdr~")
		}
		if !ok {
			return "fails " + c
		}
	}
	return ""
}

// splitReplies parses the server's bytes strictly.
func splitReplies(b []byte, heads map[int]bool) (list []gotReply, problem string) {
	final := 0
	for len(b) > 0 {
		i := bytes.Index(b, []byte("\r\n\r\n"))
		if i < 0 || len(b) < 13 || string(b[:9]) != "HTTP/1.1 " {
			return nil, fmt.Sprintf("no reply begins at %.60q", b)
		}
		g := gotReply{status: string(b[9:12]), head: string(b[:i+2])}
		b = b[i+4:]
		if g.status[0] == '1' {
			list = append(list, g)
			continue
		}
		final++
		length, chunked := -1, false
		for _, line := range strings.Split(g.head, "\r\n")[1:] {
			n, v, _ := strings.Cut(strings.ToLower(line), ":")
			switch n {
			case "content-length":
				length, _ = strconv.Atoi(strings.TrimSpace(v))
			case "transfer-encoding":
				chunked = true
			}
		}
		switch {
		case heads[final] || g.status == "204" || g.status == "304":
		case chunked:
			var c chunkReader
			c.limit = 8 << 10
			for c.state != chunkDone {
				data, n, err := c.next(b)
				if err != nil || n == 0 && c.state != chunkDone {
					return nil, "a chunked reply is cut off"
				}
				g.body += string(data)
				b = b[n:]
			}
		case length >= 0:
			if length > len(b) {
				return nil, "a reply is cut off"
			}
			g.body, b = string(b[:length]), b[length:]
		default:
			g.body, b = string(b), nil
		}
		list = append(list, g)
	}
	return list, ""
}

// TestHTTP1Cases plays every case in every cut on sockets, and at random cuts on what only
// looks like a net.Conn.
func TestHTTP1Cases(t *testing.T) {
	t.Run("sockets", func(t *testing.T) {
		addr, s := serveCases(t)
		playCases(t, addr, s, cuts)
	})
	t.Run("any net.Conn", func(t *testing.T) {
		s, err := NewServer(Config{Handler: caseHandler, Logger: quiet(), LingerTimeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Serve(opaqueListener{l}) }()
		playCases(t, l.Addr().String(), s, cuts[2:])
		s.Close()
		if err := <-done; err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
}

func playCases(t *testing.T, addr string, s *Server, cuts []string) {
	cases := loadCases(t)
	type result struct{ level, text string }
	type failure struct {
		i   int
		cut string
	}
	results := make(chan result)
	slots := make(chan struct{}, 48)
	go func() {
		defer close(results)
		var (
			wg     sync.WaitGroup
			mu     sync.Mutex // protects failed
			failed []failure
		)
		for i, c := range cases {
			for _, cut := range cuts {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					if c.run(addr, cut, uint64(i)) == "" {
						results <- result{c.level, ""}
						return
					}
					mu.Lock()
					failed = append(failed, failure{i, cut})
					mu.Unlock()
				})
			}
		}
		wg.Wait()
		for _, f := range failed { // a slow moment of the machine must not count: once more, alone
			c := cases[f.i]
			problem := c.run(addr, f.cut, uint64(f.i))
			if problem != "" {
				problem = fmt.Sprintf("%s (%s, RFC %s), %s:\n    %s", c.id, c.level, c.ref, f.cut, problem)
			}
			results <- result{c.level, problem}
		}
	}()
	ran, passed := map[string]int{}, map[string]int{}
	for r := range results {
		ran[r.level]++
		if r.text == "" {
			passed[r.level]++
		} else {
			t.Error(r.text)
		}
	}
	for _, level := range []string{"must", "should", "strict"} {
		t.Logf("%s: %d of %d pass, cut in these ways: %v", level, passed[level], ran[level], cuts)
	}
	if n := s.Conns(); n > 100 {
		t.Errorf("%d connections are left", n)
	}
}

package wire

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// script is a connection whose peer says what was written down before, in pieces, and
// then ends its stream.
type script struct {
	pieces [][]byte
	out    strings.Builder
	closed chan struct{}
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { close(s.closed); return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

var changing = regexp.MustCompile(`HTTP/1.1 100 Continue\r\n\r\n|Date: [^\r]*\r\n`)

// converseInPieces has a server serve b, cut up, and tells what its handler saw and what
// the peer got, without what may differ: dates, and whether 100 Continue was needed. Of errors the status
// counts: which of two flaws is met first may depend on the cutting.
func converseInPieces(t testing.TB, s *Server, seen *strings.Builder, b []byte, size func() int) string {
	t.Helper()
	sc := &script{closed: make(chan struct{})}
	for len(b) > 0 {
		n := min(max(size(), 1), len(b))
		sc.pieces = append(sc.pieces, b[:n:n])
		b = b[n:]
	}
	seen.Reset()
	l := &link{srv: s, nc: sc, index: -1}
	s.keeper.add(l)
	l.serve()
	if !l.is(phaseClosed) { // it rested: another goroutine goes on
		<-sc.closed
	}
	return seen.String() + "\n" + changing.ReplaceAllString(sc.out.String(), "")
}

// FuzzConversation: any cutting of the same bytes gives the same requests to the handler
// and the same responses to the peer.
func FuzzConversation(f *testing.F) {
	for _, c := range loadCases(f) {
		var all []byte
		for _, s := range c.steps {
			all = append(all, s.data...)
		}
		if len(all) < 2000 {
			f.Add(all, uint64(len(all)))
		}
	}
	f.Add([]byte(getRequest+strings.Repeat("\xC0", 1800)), uint64(5)) // one byte tells, and so do too many
	f.Add([]byte(strings.Repeat("\xC0", 1800)+"\n"), uint64(6))
	var seen strings.Builder
	s, err := NewServer(Config{
		MaxBodyBytes: 3000, MaxHeaderBytes: 1500, MaxHeaderFields: 12, MaxDrainBytes: 500, MaxTrailerBytes: 100, Logger: quiet(),
		ErrorBody: func(r *Request, e *Error) (string, []byte) { return "text/plain", []byte("refused") },
		Handler: func(w *Response, r *Request) error {
			fmt.Fprintf(&seen, "%s %s %s\n", r.Method(), r.Target(), r.Host())
			for n, v := range r.Headers() {
				fmt.Fprintf(&seen, "%s: %s\n", n, v)
			}
			err := caseHandler(w, r)
			status := 0
			if err != nil {
				status = StatusOf(w, err)
			}
			fmt.Fprintf(&seen, "%v %d %v\n", r.body.done(), status, r.Trailers())
			return err
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		whole := converseInPieces(t, s, &seen, b, func() int { return len(b) })
		rng := rand.New(rand.NewPCG(seed, 1))
		for name, size := range map[string]func() int{
			"byte by byte":   func() int { return 1 },
			"at random":      func() int { return rng.IntN(40) },
			"in two, nearly": func() int { return len(b)/2 + rng.IntN(9) },
		} {
			if got := converseInPieces(t, s, &seen, b, size); got != whole {
				t.Fatalf("%q\n%s:\n%s\nwhole:\n%s", b, name, got, whole)
			}
		}
	})
}

// halfScript can end its own half alone, as TLS connections can.
type halfScript struct {
	script
	did []string
}

func (s *halfScript) CloseWrite() error { s.did = append(s.did, "CloseWrite"); return nil }

func (s *halfScript) Close() error {
	s.did = append(s.did, fmt.Sprintf("Close with %d unread", len(s.pieces)))
	return nil
}

// TestLinger: behind its last response the server ends its half, reads what still comes
// and closes then (RFC 9112 §9.6).
func TestLinger(t *testing.T) {
	s, err := NewServer(Config{Handler: caseHandler, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "bad\r\n\r\n"} {
		sc := &halfScript{script: script{pieces: [][]byte{[]byte(request), []byte("more"), []byte("and more")}}}
		(&link{srv: s, nc: sc, index: -1}).serve()
		if want := []string{"CloseWrite", "Close with 0 unread"}; !slices.Equal(sc.did, want) {
			t.Errorf("%q: %q, want %q", request, sc.did, want)
		}
	}
}

// TestRefusalArrives: a client that sends all of a body far too large before it reads
// gets the 413 and no reset.
func TestRefusalArrives(t *testing.T) {
	eachKind(t, Config{MaxBodyBytes: 1000, LingerTimeout: time.Minute}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		if t.Name() == "TestRefusalArrives/any_net.Conn" {
			t.Skip("a connection that cannot end its half alone is closed at once")
		}
		const size = 32 << 20
		body := make([]byte, 64<<10)
		if _, err := fmt.Fprintf(nc, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", size); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < size; n += len(body) {
			if _, err := nc.Write(body); err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
		}
		got, err := io.ReadAll(nc)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 413 ") {
			t.Fatalf("%v, %.100q", err, got)
		}
		nc.Close()
	})
}

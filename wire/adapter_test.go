package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// knownConn is a connection with a context and a TLS state of its own.
type knownConn struct {
	net.Conn
	ctx context.Context
}

func (k knownConn) Context() context.Context { return k.ctx }
func (k knownConn) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{ServerName: "known"}
}

func TestServeConn(t *testing.T) {
	type key struct{}
	s, err := NewServer(Config{Logger: quiet(), Handler: func(w *Response, r *Request) error {
		_, err := fmt.Fprint(w, r.Context().Value(key{}), " ", r.TLS() != nil && r.TLS().ServerName == "known")
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	for want, wrap := range map[string]func(net.Conn) net.Conn{
		"value true":  func(nc net.Conn) net.Conn { return knownConn{nc, context.WithValue(t.Context(), key{}, "value")} },
		"<nil> false": func(nc net.Conn) net.Conn { return nc },
	} {
		a, b := net.Pipe()
		s.ServeConn(wrap(b))
		go io.WriteString(a, "GET / HTTP/1.1\r\nHost: t\r\n\r\n")
		r, err := http.ReadResponse(bufio.NewReader(a), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		a.Close()
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	a, b := net.Pipe()
	s.ServeConn(b)
	if _, err := a.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a closed server serves: %v", err)
	}
}

func TestResponseHeadersAsAList(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			err := errors.Join(w.SetHeader("X-A", "1: 2"), w.AddHeader("x-a", ""), w.SetHeader("Content-Length", "4"), w.SetHeader("Content-Type", "a/b"))
			if err != nil {
				return err
			}
			var list []string
			for name, value := range w.Headers() {
				list = append(list, name+"="+value)
			}
			if want := []string{"X-A=1: 2", "x-a=", "Content-Type=a/b", "Content-Length=4"}; !slices.Equal(list, want) {
				t.Errorf("%q, want %q", list, want)
			}
			w.ClearHeaders()
			for name := range w.Headers() {
				t.Errorf("%s is left", name)
			}
			if _, err := w.WriteString("hello"); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
			w.ClearHeaders() // too late
			return nil
		}
	})
	_, do := dial(t, addr)
	if r := do("GET / HTTP/1.1\r\nHost: t\r\n\r\n"); text(t, r) != "hello" || r.Header.Get("X-A") != "" {
		t.Errorf("%v", r)
	}
}

func TestInterimResponses(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			for _, bad := range []error{
				w.Interim(200), w.Interim(101), w.Interim(99), w.Interim(103, [2]string{"X", "a\r\nb"}), w.Interim(103, [2]string{"Content-Length", "1"}),
				w.Interim(103, [2]string{"", "1"}),
			} {
				if bad == nil {
					t.Error("an invalid interim response was sent")
				}
			}
			if err := errors.Join(w.Interim(102), w.Interim(103, [2]string{"Link", "</a>"}, [2]string{"Link", "</b>"})); err != nil {
				return err
			}
			if _, err := io.Copy(w, r.Body()); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if err := w.Interim(103); err != ErrStarted {
				t.Errorf("behind the start: %v", err)
			}
			return nil
		}
	})
	for _, c := range []struct{ send, want string }{
		{"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\n"},
		{"GET / HTTP/1.0\r\nHost: t\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, c.send)
		if b, err := io.ReadAll(nc); err != nil || !strings.HasPrefix(strings.Replace(string(b), "102 \r\n", "102 Processing\r\n", 1), c.want) {
			t.Errorf("%q, %v", b, err)
		}
		nc.Close()
	}
}

func TestDeadlinesOfTheHandler(t *testing.T) {
	type outcome struct{ read, write error }
	out := make(chan outcome, 1)
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			if r.Path() == "/plain" {
				return w.Send(200, "", []byte("x"))
			}
			var o outcome
			if err := r.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				return err
			}
			_, o.read = io.ReadAll(r.Body())
			if err := w.SetWriteDeadline(time.Unix(1, 0)); err != nil {
				return err
			}
			for o.write == nil { // until the socket's buffer is full
				_, o.write = w.Write(make([]byte, 1<<20))
			}
			out <- o
			return nil
		}
	})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhi")
	o := <-out
	if !isTimeout(o.read) || !isTimeout(o.write) {
		t.Errorf("%v, %v", o.read, o.write)
	}
	_, do := dial(t, addr)
	for range 2 {
		if r := do("GET /plain HTTP/1.1\r\nHost: t\r\n\r\n"); r.StatusCode != 200 {
			t.Errorf("%d", r.StatusCode)
		}
	}
}

func TestPathValues(t *testing.T) {
	rt := NewRouter()
	err := rt.Get("/{a}/{b...}", func(w *Response, r *Request) error {
		r.SetPathValue("c", "3")
		r.SetPathValue("c", "4")
		for name, value := range r.PathValues() {
			fmt.Fprint(w, name, "=", value, " ")
		}
		fmt.Fprint(w, r.PathValue("a"), r.PathValue("c"), r.PathValue("d"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serveCases(t, func(c *Config) { c.Handler = rt.Handler() })
	_, do := dial(t, addr)
	for range 2 { // nothing of the first is left in the second
		if got := text(t, do("GET /1%2F/2/x HTTP/1.1\r\nHost: t\r\n\r\n")); got != "a=1/ b=2/x c=4 1/4" {
			t.Errorf("%q", got)
		}
	}
}

// TestReadConcurrently echoes with one goroutine that reads and one that writes; the race
// detector is the judge.
func TestReadConcurrently(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			var mu sync.Mutex
			r.ReadConcurrently(&mu)
			pr, pw := io.Pipe()
			go func() {
				_, err := io.Copy(pw, r.Body())
				pw.CloseWithError(err)
			}()
			b := make([]byte, 100)
			for {
				n, err := pr.Read(b)
				mu.Lock()
				w.Write(b[:n])
				ferr := w.Flush()
				mu.Unlock()
				if err == io.EOF {
					return ferr
				}
				if err != nil {
					return err
				}
			}
		}
	})
	c := newClient(t)
	big := strings.Repeat("0123456789", 10_000)
	for range 2 {
		q := &ClientRequest{Method: "POST", URL: "http://" + addr, Body: io.MultiReader(strings.NewReader(big)), Header: [][2]string{{"Expect", "100-continue"}}}
		r, err := c.Do(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := r.ReadAll(0); err != nil || string(b) != big {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
}

func TestOnClientGone(t *testing.T) {
	gone, never := make(chan bool), make(chan bool, 1)
	began, returned := make(chan bool), make(chan bool)
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			if r.Path() == "/quick" {
				r.OnClientGone(func() { never <- true })
				return nil
			}
			r.OnClientGone(func() { gone <- true })
			ctx := r.WatchClient() // both at once
			began <- true
			<-ctx.Done()
			if context.Cause(ctx) != ErrClientGone {
				t.Errorf("%v", context.Cause(ctx))
			}
			close(returned)
			return nil
		}
	})
	nc, do := dial(t, addr)
	for range 3 {
		do("GET /quick HTTP/1.1\r\nHost: t\r\n\r\n")
	}
	io.WriteString(nc, "GET /slow HTTP/1.1\r\nHost: t\r\n\r\n")
	<-began
	nc.Close()
	<-gone
	<-returned
	select {
	case <-never:
		t.Error("called after the handler's return")
	default:
	}
}

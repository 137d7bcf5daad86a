package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A head that was received behind a large body stands in the buffer for large bodies. The
// body that follows it must not be received over it.
func TestHeadStaysWhileItsBodyArrives(t *testing.T) {
	got := make(chan string, 4)
	eachKind(t, Config{Handler: func(w *Response, r *Request) error {
		if _, err := io.Copy(io.Discard, r.Body()); err != nil {
			return err
		}
		got <- r.RawPath() + " " + r.Header("X-Name")
		return w.Send(200, "text/plain", []byte("ok"))
	}}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		defer nc.Close()
		in := bufio.NewReader(nc)
		send := func(s string) {
			if _, err := io.WriteString(nc, s); err != nil {
				t.Fatal(err)
			}
		}
		send("POST /one HTTP/1.1\r\nHost: t\r\nX-Name: one\r\nContent-Length: 8000\r\n\r\n" + strings.Repeat("a", 8000) + "POST /two HTTP/1.1\r\nHost: t\r\nX-Name: two\r\nTransfer-Encoding: chunked\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		send(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 30000, strings.Repeat("b", 30000)))
		if resp, err = http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"/one one", "/two two"} {
			if g := <-got; g != want {
				t.Errorf("the handler saw %.40q, want %q", g, want)
			}
		}
	})
}

// 100 Continue is no part of a response that is under way (RFC 9110 §15.2.1).
func TestNoContinueInsideAResponse(t *testing.T) {
	eachKind(t, Config{Handler: func(w *Response, r *Request) error {
		if _, err := w.WriteString("early "); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		_, err := io.Copy(w, r.Body())
		return err
	}}, func(t *testing.T, s *Server, dial func() net.Conn) {
		nc := dial()
		defer nc.Close()
		if _, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(nc)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "body"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if string(b) != "early body" || err != nil || !resp.Close {
			t.Errorf("%q %v, close %v", b, err, resp.Close)
		}
	})
}

// "close" among other options ends the connection as it does alone (RFC 9112 §9.6).
func TestConnectionCloseInAList(t *testing.T) {
	for _, value := range []string{"close", "Close, X-Hop", "x-hop ,close"} {
		eachKind(t, Config{Handler: func(w *Response, r *Request) error {
			if err := w.SetHeader("Connection", value); err != nil {
				return err
			}
			return w.Send(200, "text/plain", []byte("ok"))
		}}, func(t *testing.T, s *Server, dial func() net.Conn) {
			nc := dial()
			defer nc.Close()
			if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := nc.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(nc); err != nil || !strings.HasSuffix(string(b), "ok") {
				t.Errorf("%q: %q, %v", value, b, err)
			}
		})
	}
}

// A response to HEAD has the Content-Length of GET or none (RFC 9110 §8.6): a handler that
// wrote nothing for HEAD has not said which that is.
func TestHeadHasNoLengthOfItsOwn(t *testing.T) {
	eachKind(t, Config{Handler: func(w *Response, r *Request) error {
		switch r.RawPath() {
		case "/written":
			return w.Send(200, "text/plain", []byte("12345"))
		case "/set":
			return w.SetHeader("Content-Length", "7")
		}
		return nil
	}}, func(t *testing.T, s *Server, dial func() net.Conn) {
		for _, version := range []string{"1.1", "1.0"} {
			for path, want := range map[string]string{"/written": "5", "/set": "7", "/nothing": ""} {
				nc := dial()
				defer nc.Close()
				in := bufio.NewReader(nc)
				for range 2 { // the connection stays open
					if _, err := fmt.Fprintf(nc, "HEAD %s HTTP/%s\r\nHost: t\r\nConnection: keep-alive\r\n\r\n", path, version); err != nil {
						t.Fatal(err)
					}
					resp, err := http.ReadResponse(in, &http.Request{Method: "HEAD"})
					if err != nil {
						t.Fatal(err)
					}
					if got := resp.Header.Get("Content-Length"); got != want || resp.Header.Get("Transfer-Encoding") != "" {
						t.Errorf("%s in %s: Content-Length %q, want %q", path, version, got, want)
					}
				}
			}
		}
	})
}

package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// interpret reads an event stream as HTML §9.2.6 says a browser does: dispatched events,
// the last event id and the reconnection time in milliseconds.
func interpret(stream string) (events []Event, id string, retry int) {
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	var name, data string
	for _, line := range strings.SplitAfter(stream, "\n") {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			break
		}
		if line == "" {
			if data != "" {
				events = append(events, Event{ID: id, Name: name, Data: strings.TrimSuffix(data, "\n")})
			}
			name, data = "", ""
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if n, err := strconv.Atoi(value); err == nil {
				retry = n
			}
		}
	}
	return events, id, retry
}

func TestAppendEvent(t *testing.T) {
	for _, c := range []struct {
		e    Event
		want string
	}{
		{Event{Data: "hello"}, "data: hello\n\n"},
		{Event{ID: "1", Name: "tick", Data: "x", Retry: 1500 * time.Millisecond}, "id: 1\nevent: tick\nretry: 1500\ndata: x\n\n"},
		{Event{Data: "a\nb\r\nc\rd"}, "data: a\ndata: b\ndata: c\ndata: d\n\n"},
		{Event{Data: "\n"}, "data: \ndata: \n\n"},
		{Event{Data: "data: x\n\nid: 9"}, "data: data: x\ndata: \ndata: id: 9\n\n"},
		{Event{Data: " blank"}, "data:  blank\n\n"},
		{Event{Name: "bare"}, "event: bare\ndata: \n\n"},
		{Event{ID: "7"}, "id: 7\n\n"},
		{Event{Retry: time.Microsecond}, "retry: 1\n\n"},
	} {
		got, err := AppendEvent(nil, c.e)
		if string(got) != c.want || err != nil {
			t.Errorf("%+v: %q, %v; want %q", c.e, got, err, c.want)
		}
	}
	for _, e := range []Event{{}, {ID: "1\nevent: x", Data: "d"}, {ID: "1\r", Data: "d"}, {ID: "\x00", Data: "d"}, {Name: "a\nb", Data: "d"}, {Name: "\r", Data: "d"}, {Data: "d", Retry: -1}} {
		if got, err := AppendEvent([]byte("kept"), e); !errors.Is(err, ErrEvent) || string(got) != "kept" {
			t.Errorf("%+v: %q, %v", e, got, err)
		}
	}
	buf := make([]byte, 0, 100)
	e := Event{ID: "1", Name: "n", Data: "a\nb", Retry: time.Second}
	if n := testing.AllocsPerRun(100, func() { AppendEvent(buf, e) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEvent: a browser gets out of the bytes what was put in.
func FuzzEvent(f *testing.F) {
	f.Add("1", "name", "line\nline", uint16(3))
	f.Add("", "", "\r\n\r\r\n :data", uint16(0))
	f.Fuzz(func(t *testing.T, id, name, data string, ms uint16) {
		e := Event{ID: id, Name: name, Data: data, Retry: time.Duration(ms) * time.Millisecond}
		b, err := AppendEvent(nil, e)
		if err != nil {
			return
		}
		events, gotID, retry := interpret(string(b))
		if gotID != id || retry != int(ms) {
			t.Errorf("%+v: id %q, retry %d: %q", e, gotID, retry, b)
		}
		e.Retry = 0
		e.Data = strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n")
		switch {
		case data == "" && name == "":
			if len(events) > 0 {
				t.Errorf("%+v: seen as %+v", e, events)
			}
		case len(events) != 1 || events[0] != e:
			t.Errorf("%+v: seen as %+v of %q", e, events, b)
		case utf8.ValidString(id) && utf8.ValidString(name) && utf8.ValidString(data) && !utf8.Valid(b):
			t.Errorf("%+v: %q is no UTF-8", e, b)
		}
	})
}

func TestEvents(t *testing.T) {
	ended := make(chan string, 1)
	feed := make(chan Event)
	z, err := Compress(CompressConfig{MinBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = z(func(w *Response, r *Request) error {
			s, err := w.Events(r)
			if err != nil {
				return err
			}
			if r.Path() == "/pump" {
				err = s.Pump(feed, time.Hour)
				ended <- fmt.Sprint(err, context.Cause(s.Context()))
				return err
			}
			if r.Path() == "/quiet" {
				err = s.Pump(nil, time.Millisecond)
				ended <- fmt.Sprint(err, context.Cause(s.Context()))
				return err
			}
			if err := s.Send(Event{ID: "a\n"}); !errors.Is(err, ErrEvent) {
				t.Errorf("bad event: %v", err)
			}
			return errors.Join(s.Send(Event{Data: "after " + s.LastEventID()}), s.Comment("c\nd"), s.Send(Event{Data: "end"}))
		})
	})
	nc, do := dial(t, addr)
	resp := do("GET / HTTP/1.1\r\nHost: t\r\nLast-Event-ID: 41\r\nAccept-Encoding: gzip\r\n\r\n")
	if got, want := text(t, resp), "data: after 41\n\n:c\n:d\n\ndata: end\n\n"; got != want || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%q, want %q; %v", got, want, resp.Header)
	}
	// each event arrives before the next is made; then the client goes
	io.WriteString(nc, "GET /pump HTTP/1.1\r\nHost: t\r\n\r\n")
	stream, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stream.Body)
	for i := range 3 {
		feed <- Event{Data: strconv.Itoa(i)}
		if s, err := lines.ReadString('\n'); s != fmt.Sprintf("data: %d\n", i) || err != nil {
			t.Fatalf("%q, %v", s, err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	if s := <-ended; s != "<nil> "+ErrClientGone.Error() {
		t.Errorf("when the client went: %s", s)
	}
	// heartbeats come by themselves
	nc, _ = dial(t, addr)
	io.WriteString(nc, "GET /quiet HTTP/1.1\r\nHost: t\r\n\r\n")
	if stream, err = http.ReadResponse(bufio.NewReader(nc), nil); err != nil {
		t.Fatal(err)
	}
	two := make([]byte, 6)
	if _, err := io.ReadFull(stream.Body, two); string(two) != ":\n\n:\n\n" || err != nil {
		t.Errorf("%q, %v", two, err)
	}
	nc.Close()
	<-ended // by the watch or by a write, whichever was first
	// HEAD has nothing to wait for, and a closed channel ends the stream
	nc, _ = dial(t, addr)
	io.WriteString(nc, "HEAD /pump HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(nc); err != nil || !strings.HasSuffix(string(b), "\r\n\r\n") || !strings.Contains(string(b), "text/event-stream") {
		t.Errorf("HEAD: %q, %v", b, err)
	}
	<-ended
	_, do = dial(t, addr)
	close(feed)
	if got := text(t, do("GET /pump HTTP/1.1\r\nHost: t\r\n\r\n")); got != "" {
		t.Errorf("closed channel: %q", got)
	}
	if s := <-ended; s != "<nil> <nil>" {
		t.Errorf("closed channel: %s", s)
	}
}

func TestLines(t *testing.T) {
	mine := errors.New("mine")
	const many = 200_000
	sent := make(chan int, 1)
	addr, _ := serveCases(t, func(c *Config) {
		c.WriteTimeout = 20 * time.Second
		c.Handler = func(w *Response, r *Request) error {
			s, err := w.Lines(r, "")
			if err != nil {
				return err
			}
			switch r.Path() {
			case "/fail":
				return s.All(func(yield func([]byte, error) bool) { _ = yield([]byte("1"), nil) && yield(nil, mine) })
			case "/late":
				return s.All(func(yield func([]byte, error) bool) {
					_ = yield([]byte(strings.Repeat("1", maxHeld)), nil) && yield(nil, mine)
				})
			case "/bad":
				if err := errors.Join(s.Send([]byte("a\nb")), s.Send([]byte("a\rb"))); !errors.Is(err, ErrLine) {
					t.Errorf("line ends: %v", err)
				}
				return errors.Join(s.Send([]byte("good")), s.Flush())
			}
			n := 0
			err = s.All(func(yield func([]byte, error) bool) {
				for n = range many {
					if !yield([]byte(`{"number":"`+strings.Repeat("0123456789", 10)+`"}`), nil) {
						return
					}
				}
			})
			sent <- n
			return err
		}
	})
	_, do := dial(t, addr)
	if resp := do("GET /bad HTTP/1.1\r\nHost: t\r\n\r\n"); text(t, resp) != "good\n" || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Error(resp.Header)
	}
	if resp := do("GET /fail HTTP/1.1\r\nHost: t\r\n\r\n"); resp.StatusCode != 500 {
		t.Errorf("an error before anything was sent: %d", resp.StatusCode)
	}
	nc, _ := dial(t, addr)
	io.WriteString(nc, "GET /late HTTP/1.1\r\nHost: t\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err != io.ErrUnexpectedEOF {
		t.Errorf("an error later: %v, want a cut", err)
	}
	if got := text(t, do("GET / HTTP/1.1\r\nHost: t\r\n\r\n")); strings.Count(got, "\n") != many {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	<-sent
	// a client that does not read holds the source back, and one that goes stops it
	nc, _ = dial(t, addr)
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: t\r\n\r\n")
	if _, err := io.ReadFull(nc, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-sent:
		t.Errorf("%d lines were made for a client that reads none", n)
	case <-time.After(50 * time.Millisecond): // a source without a brake needs about 20 ms for all
	}
	nc.Close()
	if n := <-sent; n >= many-1 {
		t.Errorf("%d lines were made", n)
	}
}

// TestTrailers: RFC 9110 §6.5.
func TestTrailers(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error {
			w.SetHeader("Trailer", "X-Sum")
			switch r.Path() {
			case "/length":
				w.SetHeader("Content-Length", "4")
			case "/late":
				w.SetHeader("Content-Length", "4")
				if err := w.Flush(); err != nil {
					return err
				}
				if err := w.Trailer("X-Sum", "1"); !errors.Is(err, ErrStarted) {
					t.Errorf("behind Content-Length: %v", err)
				}
				return nil
			case "/bad":
				return w.Trailer(r.Header("X-Name"), "1")
			case "/inject":
				return w.Trailer("X-Sum", "1\r\nX: 2")
			}
			if err := w.Trailer("X-Sum", "before"); err != nil {
				return err
			}
			if _, err := w.WriteString("body"); err != nil {
				return err
			}
			if r.Path() == "/flush" {
				if err := w.Flush(); err != nil {
					return err
				}
			}
			return w.Trailer("X-Sum", "behind")
		}
	})
	read := func(send string) (string, http.Header, error) {
		nc, _ := dial(t, addr)
		io.WriteString(nc, send)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", string(b)), resp.Trailer, err
	}
	for _, path := range []string{"/", "/flush", "/length"} {
		body, trailer, err := read("GET " + path + " HTTP/1.1\r\nHost: t\r\n\r\n")
		if got := strings.Join(trailer["X-Sum"], " "); body != "200 body" || got != "before behind" || err != nil {
			t.Errorf("%s: %q with %q, %v", path, body, got, err)
		}
		if body, trailer, err := read("GET " + path + " HTTP/1.0\r\n\r\n"); body != "200 body" || len(trailer["X-Sum"]) > 0 || err != nil {
			t.Errorf("%s of 1.0: %q, %v, %v", path, body, trailer, err)
		}
	}
	if body, _, err := read("GET /late HTTP/1.1\r\nHost: t\r\n\r\n"); err != io.ErrUnexpectedEOF {
		t.Errorf("late: %q, %v", body, err)
	}
	for _, name := range []string{"Content-Length", "transfer-encoding", "Host", "Authorization", "Set-Cookie", "Content-Encoding", "Content-Type", "Trailer", "X Y"} {
		if body, _, err := read("GET /bad HTTP/1.1\r\nHost: t\r\nX-Name: " + name + "\r\n\r\n"); !strings.HasPrefix(body, "500") || err != nil {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
	if body, _, _ := read("GET /inject HTTP/1.1\r\nHost: t\r\n\r\n"); !strings.HasPrefix(body, "500") {
		t.Errorf("injected: %q", body)
	}
}

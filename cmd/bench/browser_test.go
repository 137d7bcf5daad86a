package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/devtools"
	"github.com/lithair/lithair-go/wire"
)

// eventPage listens to events and tells the server what it saw: of each event its name,
// ID and data, and each loss of the connection.
const eventPage = `<!doctype html><title>events</title><script>
const seen = [], es = new EventSource('/events');
const tell = s => { seen.push(s); if (s.startsWith('last')) { es.close(); fetch('/seen', { method: 'POST', body: seen.join('\n') }); } };
es.onmessage = e => tell('message ' + e.lastEventId + ' ' + JSON.stringify(e.data));
es.addEventListener('named', e => tell('named ' + e.lastEventId + ' ' + JSON.stringify(e.data)));
es.addEventListener('last', e => tell('last ' + e.lastEventId + ' ' + JSON.stringify(e.data)));
es.onerror = () => tell(es.readyState === EventSource.CONNECTING ? 'reconnecting' : 'given up');
</script>`

// streamEvents sends what follows the last event that the client saw: two streams that end
// and a third that ends with the event "last".
func streamEvents(w *wire.Response, r *wire.Request) error {
	s, err := w.Events(r)
	if err != nil {
		return err
	}
	last := 0
	if id := s.LastEventID(); id != "" {
		if last, err = strconv.Atoi(id); err != nil {
			return err
		}
	}
	events := []wire.Event{
		{ID: "1", Data: "one", Retry: 10 * time.Millisecond},
		{ID: "2", Name: "named", Data: "two\nlines, é"},
		{ID: "3", Data: "behind a break"},
		{ID: "4", Data: ""},
		{ID: "5", Name: "last", Data: "done"},
	}
	const perStream = 2
	for _, e := range events[last:min(last+perStream, len(events))] {
		if err := s.Comment("heartbeat"); err != nil {
			return err
		}
		if err := s.Send(e); err != nil {
			return err
		}
	}
	return nil
}

// TestServerSentEventsInBrowser: a page in a real browser gets events as they were sent,
// and comes back where it was when the stream ends.
func TestServerSentEventsInBrowser(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("runs chromium: set LITHAIR_LONG=1")
	}
	seen := make(chan string, 1)
	r := wire.NewRouter()
	for pattern, h := range map[string]wire.Handler{
		"GET /": func(w *wire.Response, _ *wire.Request) error {
			return w.Send(200, "text/html; charset=utf-8", []byte(eventPage))
		},
		"GET /events": streamEvents,
		"POST /seen": func(w *wire.Response, r *wire.Request) error {
			body, err := r.BorrowBody(1 << 16)
			if err == nil {
				seen <- string(body)
			}
			return err
		},
	} {
		if err := r.Handle(pattern, h); err != nil {
			t.Fatal(err)
		}
	}
	s, err := wire.NewServer(wire.Config{Handler: r.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served
	}()

	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	page, err := devtools.New(t).Open(ctx, fmt.Sprintf("http://%s/", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`message 1 "one"`, `named 2 "two\nlines, é"`, "reconnecting",
		`message 3 "behind a break"`, "reconnecting", // the one without data is not seen; its ID counts
		`last 5 "done"`,
	}, "\n")
	select {
	case got := <-seen:
		if got != want {
			t.Errorf("the page saw\n%s\nwant\n%s", got, want)
		}
	case <-ctx.Done():
		t.Errorf("the page saw no end; its console says %q", page.Console())
	}
}

package lithair

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/live/client"
	"github.com/lithair/lithair-go/wire"
)

func follow(t *testing.T, cfg client.Config, model, path, query string) *client.Query {
	t.Helper()
	cfg.MinPause, cfg.MaxPause = time.Millisecond, 50*time.Millisecond
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Follow(model, path, query)
}

// until waits until the texts of a list of notes are these.
func until(t *testing.T, q *client.Query, texts ...string) client.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var have []string
	a, err := q.Until(ctx, func(a client.Answer) bool {
		list, err := client.Decode[note](a.Rows)
		if err != nil {
			t.Fatal(err)
		}
		have = nil
		for _, n := range list {
			have = append(have, n.Text)
		}
		return a.Synced && fmt.Sprint(have) == fmt.Sprint(texts)
	})
	if err != nil {
		t.Fatalf("%v, want %v: %v", have, texts, err)
	}
	return a
}

func addNotes(t *testing.T, a *App, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if got := call(t, a, "POST", "/api/notes", `{"text":"`+text+`"}`); got.StatusCode != 201 {
			t.Fatal(got.body)
		}
	}
}

// TestLiveClient follows by either transport.
func TestLiveClient(t *testing.T) {
	for _, events := range []bool{false, true} {
		a := newApp(t, Config{})
		notes(a)
		start(t, a)
		addNotes(t, a, "b")
		q := follow(t, client.Config{Nodes: []string{"http://" + a.Addr()}, EventsOnly: events}, "note", "/api/notes", "sort=text")
		until(t, q, "b")
		addNotes(t, a, "c", "a")
		until(t, q, "a", "b", "c")
		id := strings.Trim(strings.Split(call(t, a, "GET", "/api/notes?text=b&fields=id", "").body, `"`)[5], `"`)
		if got := call(t, a, "PATCH", "/api/notes/"+id, `{"text":"z"}`); got.StatusCode != 200 {
			t.Fatal(got.body)
		}
		until(t, q, "a", "c", "z")
		if got := call(t, a, "DELETE", "/api/notes/"+id, ""); got.StatusCode != 204 && got.StatusCode != 200 {
			t.Fatal(got.StatusCode)
		}
		until(t, q, "a", "c")
		if s := q.Stats(); s.Snapshots != 1 || s.Resyncs+s.Repairs != 0 {
			t.Errorf("events %v: %+v", events, s)
		}
		bad := follow(t, client.Config{Nodes: []string{"http://" + a.Addr()}, EventsOnly: events}, "note", "/api/notes", "no=1")
		_, err := bad.Until(bounded(t), func(client.Answer) bool { return false })
		if e, ok := err.(*live.Error); !ok || e.Code != "bad_query" {
			t.Errorf("events %v: a bad query ends with %v", events, err)
		}
	}
}

// TestLiveFallsBack: a server in front that knows no WebSockets is no hindrance.
func TestLiveFallsBack(t *testing.T) {
	a := newApp(t, Config{})
	notes(a)
	start(t, a)
	front, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	r := wire.NewRouter()
	if err := r.Get("/{rest...}", func(w *wire.Response, r *wire.Request) error {
		if r.HasHeader("Upgrade") {
			return &wire.Error{Status: 400}
		}
		q := &wire.ClientRequest{URL: "http://" + a.Addr() + r.Target(), MaxContentBytes: -1}
		if id := r.Header("Last-Event-ID"); id != "" {
			q.SetHeader("Last-Event-ID", id)
		}
		resp, err := front.Do(r.WatchClient(), q)
		if err != nil {
			return err
		}
		defer resp.Close()
		w.Status(resp.StatusCode())
		w.SetHeader("Content-Type", resp.Header("Content-Type"))
		buf := make([]byte, 4096)
		for {
			n, err := resp.Body().Read(buf)
			if _, e := w.Write(buf[:n]); e != nil || err != nil || w.Flush() != nil {
				return nil
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	s, err := wire.NewServer(wire.Config{Handler: r.Handler(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	q := follow(t, client.Config{Nodes: []string{"http://" + l.Addr().String()}}, "note", "/api/notes", "sort=text")
	until(t, q)
	addNotes(t, a, "through the proxy")
	until(t, q, "through the proxy")
}

// TestLiveCluster: any node serves a client from its own log; when a node stops, the list goes on
// at another, where it was, and misses nothing.
func TestLiveCluster(t *testing.T) {
	m := startCluster(t, 3, notes)
	lead := m.leader()
	var nodes []string
	for i := range m.apps {
		nodes = append(nodes, "http://"+m.apps[(lead+i)%3].Addr())
	}
	addNotes(t, m.apps[m.follower()], "one")
	q := follow(t, client.Config{Nodes: nodes}, "note", "/api/notes", "sort=text")
	follows := follow(t, client.Config{Nodes: nodes[1:]}, "note", "/api/notes", "sort=text")
	until(t, q, "one")
	until(t, follows, "one")
	addNotes(t, m.apps[m.follower()], "two")
	until(t, q, "one", "two")
	until(t, follows, "one", "two")
	m.stop(lead)
	addNotes(t, m.apps[m.follower()], "three")
	until(t, q, "one", "three", "two")
	until(t, follows, "one", "three", "two")
	if s := q.Stats(); s.Snapshots != 1 || s.Resyncs+s.Repairs != 0 {
		t.Errorf("the list did not go on where it was: %+v", s)
	}
}

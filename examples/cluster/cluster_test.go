package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// TestPage: the page shows each node, and says of one that does not answer that it does not.
func TestPage(t *testing.T) {
	f := &fleet{}
	var err error
	if f.client, err = wire.NewClient(wire.ClientConfig{}); err != nil {
		t.Fatal(err)
	}
	node := standIn(t)
	down, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	at, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	f.nodes = []*process{{url: node}, {url: "http://" + down}}
	end, err := f.servePage(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.servePage(at); err == nil {
		t.Error("a page is served where there is one already")
	}
	resp, err := http.Get("http://" + at)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	for _, want := range []string{`<tr class="leader">`, "node 1<td>5<td>abc", "does not answer"} {
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("no %q on the page: %s, %v", want, b, err)
		}
	}
	if err := errors.Join(end(), f.client.Close()); err != nil {
		t.Error(err)
	}
}

// standIn answers like a node that leads, and returns its URL.
func standIn(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/info" {
			http.Error(w, "nothing here", 404)
			return
		}
		io.WriteString(w, `{"role":"leader","leader_id":1,"leader":true,"term":2,"seq":5,"state_hash":"abc"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestWhatDoesNotHold: nodes that lose or double a write, differ, end by themselves or answer what they must not are found.
func TestWhatDoesNotHold(t *testing.T) {
	f := &fleet{}
	var err error
	if f.client, err = wire.NewClient(wire.ClientConfig{}); err != nil {
		t.Fatal(err)
	}
	defer f.client.Close()
	node := func(hash string, comments ...string) *process {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/info":
				io.WriteString(w, `{"seq":5,"state_hash":"`+hash+`"}`)
			case "/api/comments":
				io.WriteString(w, `{"data":[{"body":"`+strings.Join(comments, `"},{"body":"`)+`"}],"has_more":false}`)
			default:
				http.Error(w, "no", 418)
			}
		}))
		t.Cleanup(s.Close)
		return &process{url: s.URL}
	}
	w := &writers{f: f, acks: []ack{{text: "a"}, {text: "b"}}, end: make(chan struct{})}
	for _, c := range []struct {
		nodes []*process
		want  string
	}{
		{[]*process{node("1", "a", "b"), node("1", "a", "b")}, ""},
		{[]*process{node("1", "a", "b"), node("1", "a")}, "node 2 has lost 1 acknowledged writes and doubled 0"},
		{[]*process{node("1", "a", "b", "b"), node("1", "a", "b")}, "node 1 has lost 0 acknowledged writes and doubled 1"},
		{[]*process{node("1", "a", "b"), node("2", "a", "b")}, "node 2 differs from node 1 at sequence 5: state hash 2, not 1"},
	} {
		f.nodes = c.nodes
		if err := f.check(t.Context(), io.Discard, w); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("found %v, want %q", err, c.want)
		}
	}
	if _, err := f.newWriters(t.Context(), 1, 0); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("an article that is not made: %v", err)
	}
	w.done.Add(1)
	w.write(t.Context(), 0) // it ends with the first answer that may not be
	if err := w.stop(); err == nil || !strings.Contains(err.Error(), "writer 0, comment 0: 200") {
		t.Errorf("an answer that may not be: %v", err)
	}
	dir := t.TempDir()
	ended := make(chan error, 1)
	ended <- errors.New("exit status 3")
	if err := os.WriteFile(filepath.Join(dir, "n.log"), []byte("its last words"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.nodes = []*process{{dir: filepath.Join(dir, "n"), cmd: &exec.Cmd{}, ended: ended}}
	if _, err := f.leader(t.Context()); err == nil || !strings.Contains(err.Error(), "node 1 has ended by itself: exit status 3") || !strings.Contains(err.Error(), "its last words") {
		t.Errorf("a node that has ended: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.leader(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
}

// TestLeadersDie: three processes, writers through all of them, the leader killed with SIGKILL
// again and again: no acknowledged write is lost, none is there twice, the hashes are equal.
// LITHAIR_LONG=1 makes it ten minutes.
func TestLeadersDie(t *testing.T) {
	s := settings{runs: 5 * time.Second, every: 1500 * time.Millisecond, writers: 6}
	if os.Getenv("LITHAIR_LONG") != "" {
		s.runs, s.every, s.pace = 10*time.Minute, 3*time.Second, 20*time.Millisecond
	}
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), s.runs+2*time.Minute)
	defer cancel()
	o, err := s.run(ctx, &out)
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
	if o.kills == 0 || o.acknowledged < 100 || len(o.gaps) != o.kills {
		t.Errorf("%d kills, %d writes, writes behind %d kills: this proves nothing", o.kills, o.acknowledged, len(o.gaps))
	}
}

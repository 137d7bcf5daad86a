package soak

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live/client"
	"github.com/lithair/lithair-go/wire"
)

const (
	writers   = 3
	notesEach = 60 // of a writer, at most
	notesPace = 40 * time.Millisecond
)

// writer keeps notes of its own.
type writer struct {
	*run
	id, ops int
	rng     *rand.Rand
	client  *fleet.Client
	has     map[string]fleet.Note // as it was told
}

// work changes notes, one after the other, until the round's faults are over.
func (w *writer) work() {
	for ; w.on(); time.Sleep(notesPace) {
		id := fmt.Sprintf("w%d.%02d", w.id, w.rng.IntN(notesEach))
		n := fleet.Note{ID: id, Group: w.rng.Int64N(5), Text: fmt.Sprintf("%c%d", 'a'+rune(w.rng.IntN(26)), w.ops)}
		body, err := jsonx.Marshal(n)
		if err != nil {
			w.t.Errorf("%v", err)
			return
		}
		_, there := w.has[id]
		switch k := w.rng.IntN(10); {
		case !there:
			if w.must("create a note", 201, "POST", "/api/notes", body) {
				w.has[id] = n
			}
		case k < 2:
			if w.must("delete a note", 204, "DELETE", "/api/notes/"+id, nil) {
				delete(w.has, id)
			}
		default:
			if w.must("change a note", 200, "PUT", "/api/notes/"+id, body) {
				w.has[id] = n
			}
		}
	}
}

// must sends a request until it is acknowledged.
func (w *writer) must(kind string, want int, method, path string, body []byte) bool {
	w.ops++
	key := fmt.Sprintf("%d.n%d.%d", w.round, w.id, w.ops)
	return w.insist(w.client, w.rng, kind, want, &wire.ClientRequest{Method: method, URL: path, Body: bytes.NewReader(body),
		Header: [][2]string{{"Content-Type", "application/json"}, {"Idempotency-Key", key}}}) != nil
}

// queries are what is followed.
var queries = []string{"take=1000", "group=1&sort=-text&take=10", "text=~a&sort=text&take=1000"}

// follower has live queries, and holds them against lists.
type follower struct {
	*run
	rng     *rand.Rand
	client  *fleet.Client
	live    *client.Client
	queries []*client.Query
	checked []uint64 // sequence, by query
}

func (r *run) newFollower(i int) *follower {
	var nodes []string
	for k := range r.f.Nodes {
		nodes = append(nodes, r.f.Nodes[(i+k)%len(r.f.Nodes)].URL)
	}
	c, err := client.New(client.Config{Nodes: nodes, MaxPause: time.Second, Silence: 5 * time.Second, EventsOnly: i%2 == 1})
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	w := &follower{run: r, rng: r.rand("follower", i), client: fleet.NewClient(r.t), live: c, checked: make([]uint64, len(queries))}
	for _, q := range queries {
		w.queries = append(w.queries, c.Follow("Note", "/api/notes", q))
	}
	return w
}

// work holds answers against the list at their sequence.
func (w *follower) work() {
	for ; w.on(); time.Sleep(150 * time.Millisecond) {
		k := w.rng.IntN(len(queries))
		a, _, err := w.queries[k].Now()
		if err != nil {
			w.t.Errorf("live query %q: %v", queries[k], err)
			return
		}
		if !a.Synced || a.Seq == w.checked[k] {
			continue
		}
		w.checked[k] = a.Seq
		rows, got := w.list(w.rng.IntN(len(w.f.Nodes)), fmt.Sprintf("%s&at=%d", queries[k], a.Seq))
		if w.tally.op("read a list of the past", &got) {
			w.compare("the list at the sequence", k, a, rows)
		}
	}
}

// list reads a list of notes, as JSON each.
func (w *follower) list(node int, query string) (rows []jsonx.RawValue, a fleet.Answer) {
	a = w.client.Do(&wire.ClientRequest{URL: w.f.Nodes[node].URL + "/api/notes?" + query})
	if a.Err != nil || a.Status != 200 {
		return nil, a
	}
	var l struct {
		Data []jsonx.RawValue `json:"data"`
	}
	if err := jsonx.Unmarshal(a.Body, &l); err != nil {
		w.t.Errorf("a list: %v", err)
	}
	return l.Data, a
}

// compare holds an answer of a live query against a list.
func (w *follower) compare(what string, k int, a client.Answer, rows []jsonx.RawValue) {
	w.tally.check("live query against "+what, 1)
	if !sameRows(a.Rows, rows) {
		w.t.Errorf("live query %q at sequence %d has %d rows, %s has %d, or other ones:\n%s\n%s", queries[k], a.Seq, len(a.Rows), what, len(rows), a.Rows, rows)
	}
}

func sameRows(a []client.Row, rows []jsonx.RawValue) bool {
	return slices.EqualFunc(a, rows, func(a client.Row, b jsonx.RawValue) bool { return bytes.Equal(a.JSON, b) })
}

// judge waits until all live queries have what lists have, without faults.
func (w *follower) judge() {
	for k, q := range w.queries {
		rows, got := w.list(0, queries[k]+"&level=linearizable")
		if got.Err != nil || got.Status != 200 {
			w.t.Fatalf("a list without faults: %d %v", got.Status, got.Err)
		}
		var a client.Answer
		end := time.Now().Add(fleet.Patience)
		for {
			var err error
			if a, _, err = q.Now(); err != nil {
				w.t.Errorf("live query %q: %v", queries[k], err)
				return
			}
			if a.Synced && sameRows(a.Rows, rows) {
				break
			}
			if time.Now().After(end) {
				w.t.Errorf("live query %q does not follow within %v: synced %v, at sequence %d", queries[k], fleet.Patience, a.Synced, a.Seq)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		w.compare("the newest list", k, a, rows)
	}
}

func (w *follower) close() {
	for _, q := range w.queries {
		s := q.Stats()
		w.tally.add("live query: snapshots", Count{Acknowledged: s.Snapshots})
		w.tally.add("live query: diffs", Count{Acknowledged: s.Diffs})
		w.tally.add("live query: resyncs, repairs", Count{Acknowledged: s.Resyncs, Refused: s.Repairs})
		if s.Repairs > 0 {
			w.t.Errorf("a live query's hash differed %d times", s.Repairs)
		}
	}
	w.live.Close()
	w.closed(w.client)
}

// judgeNotes holds the list of every node against what writers were told.
func (r *run) judgeNotes(all []*writer) {
	want := map[string]fleet.Note{}
	for _, w := range all {
		maps.Copy(want, w.has)
	}
	for i := range r.f.Nodes {
		a := r.f.Get(i, "/api/notes?take=1000&level=none", fleet.Patience)
		var l struct {
			Data []fleet.Note `json:"data"`
		}
		if a.Err != nil || a.Status != 200 || jsonx.Unmarshal(a.Body, &l) != nil {
			r.t.Fatalf("the notes of node %d: %d %v", i+1, a.Status, a.Err)
		}
		got := map[string]fleet.Note{}
		for _, n := range l.Data {
			got[n.ID] = n
		}
		if !maps.Equal(got, want) {
			r.t.Errorf("node %d has other notes than writers were told: %v, not %v", i+1, got, want)
		}
		r.tally.check("notes of a node", len(want))
	}
}

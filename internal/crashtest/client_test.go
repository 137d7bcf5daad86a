package crashtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// outcome of one write as its client saw it.
type outcome int

const (
	acknowledged outcome = iota
	refused              // the server said no: nothing may have changed
	unknown              // the connection broke: done whole or not at all
)

// note is what a client knows about one of its notes.
type note struct {
	exists  bool
	text    string
	pending *note // the state that a write under way would have made
}

// bumpState is what is known about one counter.
type bumpState struct {
	acked   int64
	pending string // idempotency key of a bump under way, "" when there is none
}

// client is one connection's worth of writes, and what they must have led to.
type client struct {
	id   int
	rand *rand.Rand
	http *http.Client
	addr string
	next int

	notes     map[string]*note
	transfers map[string]outcome // by id: acknowledged or unknown
	bumps     bumpState
	retried   int // bumps that were sent again with the same key
	claims    *claims
	acks      int
	failure   error // what the server may never say
}

// claims is shared: who was told that a name is theirs.
type claims struct {
	mu     sync.Mutex
	owner  map[string]string          // acknowledged: name to claim id
	wanted map[string]map[string]bool // under way when the server died
	round  int
}

func newClient(id int, seed uint64, shared *claims) *client {
	return &client{id: id, rand: rand.New(rand.NewPCG(seed, uint64(id))), claims: shared,
		notes: map[string]*note{}, transfers: map[string]outcome{}}
}

// run writes to addr until a connection breaks or the server says what it may not.
func (c *client) run(addr string) {
	c.addr = addr
	transport := &http.Transport{}
	c.http = &http.Client{Transport: transport, Timeout: time.Minute}
	defer transport.CloseIdleConnections()
	if !c.retryBump() {
		return
	}
	for c.failure == nil && c.write() != unknown {
	}
}

func (c *client) write() outcome {
	switch c.rand.IntN(10) {
	case 0, 1, 2:
		return c.createNote()
	case 3:
		return c.changeNote()
	case 4:
		return c.deleteNote()
	case 5, 6, 7:
		return c.transfer()
	case 8:
		return c.bump()
	}
	return c.claim()
}

// send makes a request; a status among refusals is refused, any other but 2xx is a
// failure of the server.
func (c *client) send(method, path string, body any, refusals string, header ...string) outcome {
	b, err := json.Marshal(body)
	if err != nil {
		c.failure = err
		return refused
	}
	req, err := http.NewRequest(method, "http://"+c.addr+path, bytes.NewReader(b))
	if err != nil {
		c.failure = err
		return refused
	}
	req.Header.Set("Content-Type", "application/json")
	if method == "PATCH" {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unknown
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		// The status line alone is the acknowledgement, whatever becomes of the body.
		c.acks++
		return acknowledged
	case err != nil:
		return unknown
	case strings.Contains(refusals, fmt.Sprint(resp.StatusCode)):
		return refused
	}
	c.failure = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	return refused
}

func (c *client) text() string {
	return strings.Repeat(string(rune('a'+c.rand.IntN(26))), 1+c.rand.IntN(1<<c.rand.IntN(12)))
}

func (c *client) createNote() outcome {
	c.next++
	id := fmt.Sprintf("c%d-%06d", c.id, c.next)
	want := &note{exists: true, text: c.text()}
	n := &note{pending: want}
	c.notes[id] = n
	return c.settle(n, c.send("POST", "/api/notes", map[string]string{"id": id, "text": want.text}, ""))
}

// pick chooses one of the client's own notes that is certain to exist.
func (c *client) pick() (string, *note) {
	for range 20 {
		if c.next == 0 {
			break
		}
		id := fmt.Sprintf("c%d-%06d", c.id, 1+c.rand.IntN(c.next))
		if n := c.notes[id]; n != nil && n.exists && n.pending == nil {
			return id, n
		}
	}
	return "", nil
}

func (c *client) changeNote() outcome {
	id, n := c.pick()
	if n == nil {
		return refused
	}
	n.pending = &note{exists: true, text: c.text()}
	return c.settle(n, c.send("PATCH", "/api/notes/"+id, map[string]string{"text": n.pending.text}, ""))
}

func (c *client) deleteNote() outcome {
	id, n := c.pick()
	if n == nil {
		return refused
	}
	n.pending = &note{}
	return c.settle(n, c.send("DELETE", "/api/notes/"+id, nil, ""))
}

// settle moves a note to its pending state when that is certain.
func (c *client) settle(n *note, o outcome) outcome {
	switch o {
	case acknowledged:
		*n = *n.pending
	case refused:
		n.pending = nil
	}
	return o
}

func (c *client) transfer() outcome {
	c.next++
	t := transfer{ID: fmt.Sprintf("t%d-%06d", c.id, c.next), Amount: 1 + c.rand.Int64N(10)}
	from := c.rand.IntN(accounts)
	t.From, t.To = accountID(from), accountID((from+1+c.rand.IntN(accounts-1))%accounts)
	o := c.send("POST", "/api/_command/transfer", t, "")
	if o != refused {
		c.transfers[t.ID] = o
	}
	return o
}

func (c *client) counter() string { return fmt.Sprintf("counter-%d", c.id) }

func (c *client) bump() outcome {
	c.next++
	return c.sendBump(fmt.Sprintf("bump-%d-%d", c.id, c.next))
}

func (c *client) sendBump(key string) outcome {
	o := c.send("POST", "/api/_command/bump", bump{c.counter()}, "", "Idempotency-Key", key)
	switch o {
	case acknowledged:
		c.bumps.acked++
		c.bumps.pending = ""
	case unknown:
		c.bumps.pending = key
	}
	return o
}

// retryBump sends again what was under way when the server died. It may have taken
// effect before, and must not do so twice.
func (c *client) retryBump() bool {
	if c.bumps.pending == "" {
		return true
	}
	c.retried++
	return c.sendBump(c.bumps.pending) == acknowledged
}

// claim asks for a name that others want at the same time.
func (c *client) claim() outcome {
	c.claims.mu.Lock()
	c.next++
	name := fmt.Sprintf("name-%d", c.rand.IntN(40)+40*(c.claims.round+len(c.claims.owner)/40))
	c.claims.mu.Unlock()
	id := fmt.Sprintf("claim-%d-%06d", c.id, c.next)
	o := c.send("POST", "/api/claims", map[string]string{"id": id, "name": name}, "409")
	c.claims.mu.Lock()
	defer c.claims.mu.Unlock()
	switch o {
	case acknowledged:
		if other := c.claims.owner[name]; other != "" {
			c.failure = fmt.Errorf("%s was given to %s and to %s", name, other, id)
		}
		c.claims.owner[name] = id
	case unknown:
		if c.claims.wanted[name] == nil {
			c.claims.wanted[name] = map[string]bool{}
		}
		c.claims.wanted[name][id] = true
	}
	return o
}

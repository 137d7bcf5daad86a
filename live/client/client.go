package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// Config says how a Client connects. Nodes is required; zero values elsewhere take the defaults.
type Config struct {
	// Nodes are the servers, such as http://127.0.0.1:8080. The first that answers is used, and
	// the next when it is lost.
	Nodes []string
	// Header returns the fields of each request that begins a connection, such as Authorization;
	// nil: none.
	Header func() [][2]string
	HTTP   *wire.Client // default: one of the client's own

	MinPause, MaxPause time.Duration // between attempts, doubled and drawn at random; default 100 ms and 20 s
	Silence            time.Duration // without any sign of life a connection counts as lost; default 1 min

	// EventsOnly follows by server-sent events alone. Otherwise they are used where a WebSocket
	// is refused: by a proxy that knows none.
	EventsOnly bool
}

// Client keeps live queries up to date over one connection, and makes another when that is lost.
// It is safe for concurrent use.
type Client struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	next    int
	queries map[int]*Query
	calls   map[int]chan<- *Frame // that wait for an answer, on this connection
	socket  *ws.Conn              // nil: none, or events
	epoch   string                // of the node's data
	node    int                   // of cfg.Nodes
	events  bool                  // WebSockets are refused
}

// New returns a client, which connects as soon as there is a query to follow.
func New(cfg Config) (*Client, error) {
	if len(cfg.Nodes) == 0 {
		return nil, errors.New("live: Config: Nodes is empty")
	}
	for _, n := range cfg.Nodes {
		if !strings.HasPrefix(n, "http://") && !strings.HasPrefix(n, "https://") {
			return nil, fmt.Errorf("live: Config: node %q is no http or https URL", n)
		}
	}
	set := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&cfg.MinPause, 100*time.Millisecond)
	set(&cfg.MaxPause, 20*time.Second)
	set(&cfg.Silence, time.Minute)
	if cfg.HTTP == nil {
		h, err := wire.NewClient(wire.ClientConfig{})
		if err != nil {
			return nil, err
		}
		cfg.HTTP = h
	}
	c := &Client{cfg: cfg, queries: map[int]*Query{}, calls: map[int]chan<- *Frame{}, events: cfg.EventsOnly}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if !c.events {
		c.done.Go(c.run)
	}
	return c, nil
}

// Close ends all queries and the connection.
func (c *Client) Close() {
	c.cancel()
	c.mu.Lock()
	all := make([]*Query, 0, len(c.queries))
	for _, q := range c.queries {
		all = append(all, q)
	}
	c.mu.Unlock()
	for _, q := range all {
		q.Close()
	}
	c.done.Wait()
}

// Query is a live query: a list that the server keeps up to date. It is safe for concurrent use.
type Query struct {
	c                  *Client
	id                 int
	model, path, query string

	mu      sync.Mutex
	list    List
	epoch   string        // of the list's position
	changed chan struct{} // closed at the next change
	err     error
	synced  bool
	ended   context.CancelFunc
	stats   Stats
}

// Stats are figures of a query.
type Stats struct {
	Snapshots, Diffs, Resyncs, Repairs int // Repairs: the hash was another, and the list was asked for anew
}

// Follow begins a live query. model is its name, path that of its collection, such as
// /api/notes, and query the query string of a list.
func (c *Client) Follow(model, path, query string) *Query {
	c.mu.Lock()
	c.next++
	q := &Query{c: c, id: c.next, model: model, path: path, query: query, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(c.ctx)
	q.ended = cancel
	c.queries[q.id] = q
	socket, events := c.socket, c.events
	c.mu.Unlock()
	switch {
	case events:
		c.done.Go(func() { q.follow(ctx) })
	case socket != nil:
		c.ask(socket, q)
	}
	return q
}

// Close ends the query.
func (q *Query) Close() {
	c := q.c
	c.mu.Lock()
	_, open := c.queries[q.id]
	delete(c.queries, q.id)
	socket := c.socket
	c.mu.Unlock()
	q.ended()
	if open && socket != nil {
		socket.Send(ws.Text, []byte(`{"op":"unsub","id":`+strconv.Itoa(q.id)+`}`)) // a connection that is lost knows of no query
	}
}

// Answer is a live query's list at a sequence.
type Answer struct {
	Seq    uint64
	Rows   []Row // in order; not to be changed
	Total  int   // on all pages
	Synced bool  // the connection stands, and the list follows the server's
}

// Now returns the answer as it is known here. changed is closed when there is another.
func (q *Query) Now() (a Answer, changed <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	seq, _, _ := q.list.Position()
	return Answer{seq, append([]Row(nil), q.list.Rows()...), q.list.Total(), q.synced}, q.changed, q.err
}

// Until waits for an answer that holds for fn. An error of the server about the query ends it,
// and so does ctx.
func (q *Query) Until(ctx context.Context, fn func(a Answer) bool) (Answer, error) {
	for {
		a, changed, err := q.Now()
		if err != nil || fn(a) {
			return a, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return a, context.Cause(ctx)
		}
	}
}

// Stats returns the figures of the query.
func (q *Query) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}

// Decode reads the rows of an answer as values of T.
func Decode[T any](rows []Row) ([]T, error) {
	all := make([]T, len(rows))
	for i := range rows {
		if err := jsonx.Unmarshal(rows[i].JSON, &all[i]); err != nil {
			return nil, fmt.Errorf("live: row %s: %w", rows[i].Key, err)
		}
	}
	return all, nil
}

// take takes a frame of a connection to data of an epoch; again says that the list is to be asked for anew.
func (q *Query) take(f *Frame, epoch string) (again bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch f.Op {
	case "snapshot":
		if !f.More {
			q.stats.Snapshots++
		}
	case "diff":
		q.stats.Diffs++
	case "resync":
		q.stats.Resyncs++
	case "error":
		q.err = &live.Error{Code: f.Code, Detail: f.Detail}
		q.tell()
		return false
	}
	changed, err := q.list.Take(f)
	if err != nil {
		q.stats.Repairs++
		q.synced = false
		q.list = List{}
		return true
	}
	seq, _, whole := q.list.Position()
	if whole && seq == f.Seq && (f.Op == "snapshot" && !f.More || f.Op == "diff") {
		q.epoch = epoch
	}
	if changed || whole && !q.synced {
		q.synced = whole
		q.tell()
	}
	return false
}

func (q *Query) tell() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// lost says that the connection was lost.
func (q *Query) lost() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list.Lost()
	if q.synced {
		q.synced = false
		q.tell()
	}
}

// run keeps a connection.
func (c *Client) run() {
	pause := c.cfg.MinPause
	for c.ctx.Err() == nil {
		began := time.Now()
		err := c.connect()
		var refused *ws.HandshakeError
		if errors.As(err, &refused) && refused.Status != 401 && refused.Status != 403 && refused.Status < 500 {
			c.fallBack()
			return
		}
		if time.Since(began) > 2*c.cfg.MaxPause {
			pause = c.cfg.MinPause
		}
		c.mu.Lock()
		c.node = (c.node + 1) % len(c.cfg.Nodes)
		c.mu.Unlock()
		c.wait(c.ctx, &pause)
	}
}

// wait pauses before another attempt.
func (c *Client) wait(ctx context.Context, pause *time.Duration) {
	t := time.NewTimer(time.Duration(rand.Int64N(int64(*pause) + 1)))
	defer t.Stop()
	*pause = min(2**pause, c.cfg.MaxPause)
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// fallBack follows all queries by server-sent events from now on.
func (c *Client) fallBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = true
	for _, q := range c.queries {
		ctx, cancel := context.WithCancel(c.ctx)
		q.ended = cancel
		c.done.Go(func() { q.follow(ctx) })
	}
}

func (c *Client) header() [][2]string {
	if c.cfg.Header == nil {
		return nil
	}
	return c.cfg.Header()
}

// connect makes a connection and reads from it until it is lost.
func (c *Client) connect() error {
	c.mu.Lock()
	url := "ws" + strings.TrimPrefix(c.cfg.Nodes[c.node], "http") + "/live"
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Silence)
	defer cancel()
	socket, err := ws.Dial(ctx, url, ws.DialConfig{HTTP: c.cfg.HTTP, Header: c.header(), Subprotocols: []string{live.Subprotocol}, Limits: ws.Limits{IdleTimeout: c.cfg.Silence, MaxMessageBytes: 16 << 20}})
	if err != nil {
		return err
	}
	defer socket.CloseNow()
	for {
		_, data, err := socket.Read(c.ctx)
		if err == nil {
			var f Frame
			if err = jsonx.Unmarshal(data, &f); err == nil {
				err = c.take(socket, &f)
			}
		}
		if err != nil {
			c.dropped()
			return err
		}
	}
}

func (c *Client) dropped() {
	c.mu.Lock()
	c.socket = nil
	for ref, answer := range c.calls {
		delete(c.calls, ref)
		close(answer)
	}
	all := make([]*Query, 0, len(c.queries))
	for _, q := range c.queries {
		all = append(all, q)
	}
	c.mu.Unlock()
	for _, q := range all {
		q.lost()
	}
}

// errDrain: the server asked for going elsewhere.
var errDrain = errors.New("live: the node stops")

func (c *Client) take(socket *ws.Conn, f *Frame) error {
	switch f.Op {
	case "ready":
		c.begin(socket, f)
		return nil
	case "drain":
		return errDrain
	}
	if c.answered(f) {
		return nil
	}
	id, err := strconv.Atoi(string(f.ID))
	if err != nil {
		return nil // of no query
	}
	c.mu.Lock()
	q, epoch := c.queries[id], c.epoch
	c.mu.Unlock()
	if f.Op == "error" && f.Code == "unavailable" {
		return &live.Error{Code: f.Code, Detail: f.Detail} // another node, or this one a little later
	}
	if q != nil && q.take(f, epoch) {
		socket.Send(ws.Text, []byte(`{"op":"unsub","id":`+strconv.Itoa(id)+`}`))
		c.ask(socket, q)
	}
	return nil
}

// begin asks for all queries on a new connection. The server is told of which epoch a position is, and begins anew where it
// has other data.
func (c *Client) begin(socket *ws.Conn, f *Frame) {
	c.mu.Lock()
	c.epoch, c.socket = f.Epoch, socket
	all := make([]*Query, 0, len(c.queries))
	for _, q := range c.queries {
		all = append(all, q)
	}
	c.mu.Unlock()
	for _, q := range all {
		c.ask(socket, q)
	}
}

// ask sends the subscription of a query. What cannot be sent is asked for on the next connection.
func (c *Client) ask(socket *ws.Conn, q *Query) {
	q.mu.Lock()
	seq, hash, ok := q.list.Position()
	epoch, failed := q.epoch, q.err != nil
	q.mu.Unlock()
	if failed {
		return
	}
	b := []byte(`{"op":"sub","id":` + strconv.Itoa(q.id) + `,"model":`)
	b = jsonx.AppendString(b, q.model)
	b = jsonx.AppendString(append(b, `,"query":`...), q.query)
	if ok {
		b = strconv.AppendUint(append(b, `,"from":`...), seq, 10)
		b = jsonx.AppendString(append(b, `,"hash":`...), hash)
		if epoch != "" {
			b = jsonx.AppendString(append(b, `,"epoch":`...), epoch)
		}
	}
	if err := socket.Send(ws.Text, append(b, '}')); err != nil {
		socket.CloseNow()
	}
}

package live

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// filter says which events a feed is about; empty members mean all.
type filter struct {
	model, key, actor string
	types             []string
}

func (f *filter) takes(e *feedEvent) bool {
	return (f.model == "" || f.model == e.model) && (f.key == "" || f.key == e.key) && (f.actor == "" || f.actor == e.actor) &&
		(len(f.types) == 0 || slices.Contains(f.types, e.kind))
}

// feedMessage asks for events.
type feedMessage struct {
	ID    jsonx.RawValue `json:"id"`
	Model string         `json:"model"`
	Types []string       `json:"types"`
	Key   string         `json:"key"`
	Actor string         `json:"actor"`
	Epoch string         `json:"epoch"`
	From  *uint64        `json:"from"`   // behind this sequence; default: behind the newest
	FromN *int           `json:"from_n"` // with From: behind this event of it
}

func (s *Server) feed(c *Conn, data []byte) error {
	var m feedMessage
	if err := jsonx.Unmarshal(data, &m); err != nil {
		return fault("bad_message", err.Error())
	}
	if len(m.ID) == 0 {
		return fault("bad_message", "feed wants an id")
	}
	return s.follow(c, string(m.ID), &m)
}

// follow begins a feed, in a goroutine of its own: it reads the log, and waits for the
// connection where that is slow.
func (s *Server) follow(c *Conn, id string, m *feedMessage) error {
	for _, t := range m.Types {
		if t != "created" && t != "updated" && t != "deleted" {
			return fault("bad_message", "there are no events of type "+strconv.Quote(cut(t))+": want created, updated or deleted")
		}
	}
	if m.Model != "" {
		if _, err := s.model(m.Model); err != nil {
			return err
		}
	}
	if err := s.authorize(c.Principal(), "feed", m.Model, m.Key); err != nil {
		return err
	}
	f := &feed{s: s, c: c, id: id, filter: filter{m.Model, m.Key, m.Actor, m.Types}, behind: s.cfg.Source.Root().Seq(), skip: -1}
	if m.From != nil {
		f.behind = *m.From
		if m.FromN != nil && *m.From > 0 {
			f.behind, f.skip = *m.From-1, *m.FromN
		}
	}
	_, err := s.reach(c.ctx, f.behind)
	if m.From != nil && s.elsewhere(m.Epoch) { // behind the wait: the state that was reached may be of another
		return fault("epoch", "that position is of other data")
	}
	if err != nil {
		return fault("ahead", "this node has not come to that sequence yet")
	}
	if _, err := s.cfg.Source.Stream(c.ctx, f.behind); err != nil {
		return streamFault(err)
	}
	ctx, err := c.startFeed(id, m)
	if err != nil {
		return err
	}
	if c.format == JSON {
		c.pushWait(ctx, begin(c.format, "ok", "").raw("ref", id).number("seq", f.behind).frame(c.format, "ok", ""))
	}
	s.feeds.Add(1)
	go func() {
		defer s.feeds.Add(-1)
		err := f.run(ctx)
		over := ctx.Err() != nil // asked for, or with the connection: stopFeed ends ctx too
		c.stopFeed(id)
		if err != nil && !over {
			c.fail(id, err)
		}
	}()
	return nil
}

// streamFault is what a client is told of a log that cannot be read.
func streamFault(err error) error {
	var gone *engine.GoneError
	switch {
	case errors.As(err, &gone):
		return fault("gone", "events before sequence "+strconv.FormatUint(gone.Oldest, 10)+" are gone")
	case errors.Is(err, engine.ErrFuture):
		return fault("ahead", "this node has not come to that sequence yet")
	}
	return err
}

// runningFeed is a feed of a connection and what it was allowed for.
type runningFeed struct {
	cancel     context.CancelFunc
	model, key string
}

func (c *Conn) startFeed(id string, m *feedMessage) (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.feeds[id].cancel != nil:
		return nil, fault("duplicate_id", "the id "+id+" is in use on this connection")
	case len(c.feeds) >= maxFeeds:
		return nil, fault("too_many", "this connection has as many feeds as it may")
	}
	ctx, cancel := context.WithCancel(c.ctx)
	c.feeds[id] = runningFeed{cancel, m.Model, m.Key}
	return ctx, nil
}

// maxFeeds bounds the feeds of a connection: each has a goroutine.
const maxFeeds = 16

// stopFeed ends a feed; false when there is none.
func (c *Conn) stopFeed(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cancel := c.feeds[id].cancel
	if cancel == nil {
		return false
	}
	cancel()
	delete(c.feeds, id)
	return true
}

// feed is one feed of one connection.
type feed struct {
	s      *Server
	c      *Conn
	id     string
	filter filter
	behind uint64 // everything up to it was looked at
	skip   int    // of the next sequence, events up to this one; -1: none
	own    *engine.Stream
}

func (f *feed) run(ctx context.Context) error {
	for {
		changed := f.s.cfg.Source.Changed()
		blocks, err := f.read(ctx)
		if err != nil {
			return streamFault(err)
		}
		for _, b := range blocks {
			if err := f.tell(ctx, b); err != nil {
				return err
			}
			f.behind, f.skip = b.last, -1
		}
		if len(blocks) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// feedBytes is how much of the log is read at once.
const feedBytes = 64 << 10

// read returns what comes next: of what all feeds share where that reaches so far, else of the
// log.
func (f *feed) read(ctx context.Context) ([]*block, error) {
	if f.behind > f.s.cfg.Source.Root().Seq() {
		return nil, nil // it has read what is committed and not shown yet, where no stream can begin
	}
	if blocks, ok, err := f.s.tail.next(ctx, f.s, f.behind); ok || err != nil {
		f.own = nil
		return blocks, err
	}
	if f.own == nil {
		var err error
		if f.own, err = f.s.cfg.Source.Stream(ctx, f.behind); err != nil {
			return nil, err
		}
	}
	entries, err := f.own.Next(feedBytes)
	if err != nil {
		return nil, err
	}
	var past pastRows
	blocks := make([]*block, len(entries))
	for i := range entries {
		if blocks[i], err = f.s.block(&entries[i], &past); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// tell sends the events of a block that the feed is about.
func (f *feed) tell(ctx context.Context, b *block) error {
	rules := readRules{s: f.s, who: f.c.Principal().Value}
	for i := range b.events {
		e := &b.events[i]
		if e.seq <= f.behind || e.seq == f.behind+1 && e.n <= f.skip || !f.filter.takes(e) || !rules.admit(e) {
			continue
		}
		if !f.c.pushWait(ctx, f.frame(e, f.lastOf(b, i, rules))) {
			return ctx.Err()
		}
		f.s.events.Add(1)
	}
	return nil
}

// lastOf says that the feed takes no further event of the same transaction: the id of an event
// stream stands with that one, so that a client comes back for whole transactions.
func (f *feed) lastOf(b *block, i int, rules readRules) bool {
	for j := i + 1; j < len(b.events) && b.events[j].seq == b.events[i].seq; j++ {
		if f.filter.takes(&b.events[j]) && rules.admit(&b.events[j]) {
			return false
		}
	}
	return true
}

func (f *feed) frame(e *feedEvent, last bool) *Frame {
	o := append(begin(f.c.format, "event", f.id), e.body...)
	if f.c.format == JSON {
		return &Frame{Data: append(append(append(o, `,"data":`...), e.data...), '}')}
	}
	o[0] = '{' // the body begins with a comma
	o = append(append(append(o, `,"item":`...), e.data...), '}')
	id := ""
	if last {
		id = eventID(e.seq, f.s.epoch())
	}
	return &Frame{Data: appendEvent(nil, streamNames[e.kind], id, o)}
}

var streamNames = map[string]string{"created": "create", "updated": "update", "deleted": "delete"}

// Stream returns the handler of a model's events as server-sent events; model "" means all. The
// query may name types, key and actor, as a feed does.
func (s *Server) Stream(model string) wire.Handler {
	return s.stream(model, func(c *Conn, r *wire.Request) error {
		m := feedMessage{Model: model}
		m.From, m.Epoch = lastEventID(r)
		comesBack := m.From != nil // and knows better than the query
		q := r.Query()
		if q.Err != nil {
			return fault("bad_query", q.Err.Error())
		}
		for _, p := range q.Pairs {
			switch p[0] {
			case "type":
				m.Types = append(m.Types, p[1])
			case "key":
				m.Key = p[1]
			case "actor":
				m.Actor = p[1]
			case "from":
				seq, err := strconv.ParseUint(p[1], 10, 64)
				if err != nil {
					return fault("bad_query", "from is a sequence")
				}
				if !comesBack {
					m.From = &seq
				}
			case "epoch":
				if !comesBack {
					m.Epoch = p[1]
				}
			default:
				return fault("bad_query", p[0]+" has no meaning here")
			}
		}
		return s.follow(c, "0", &m)
	})
}

// feedEvent is an event as feeds send it.
type feedEvent struct {
	seq                     uint64
	n                       int
	model, kind, key, actor string
	body                    []byte // the members before data, each with a comma in front
	data                    []byte
	ruled                   Model      // nil: everybody may read its records
	row                     *state.Row // of a ruled model: the record behind the event, or before it where it was deleted
	root                    *state.Root
}

// block is the events of an entry that clients may see.
type block struct {
	first, last uint64
	bytes       int // of the events, about
	events      []feedEvent
}

// block encodes an entry; past is that of the entries that are read with it, in their order.
func (s *Server) block(e *engine.Entry, past *pastRows) (*block, error) {
	b := &block{first: e.First, last: e.First + uint64(len(e.Txs)) - 1}
	at := string(time.Unix(0, e.Time).UTC().AppendFormat(nil, time.RFC3339Nano))
	models := s.cfg.Models()
	rows, err := past.of(s, e, models)
	if err != nil {
		return nil, err
	}
	for i := range e.Txs {
		tx := &e.Txs[i]
		for n := range tx.Events {
			ev := &tx.Events[n]
			m := modelOf(models, ev.Model)
			if m == nil {
				continue
			}
			made := feedEvent{seq: tx.Seq, n: n, model: m.Name(), kind: ev.Kind.String(), key: m.KeyText(ev.Key), actor: tx.Actor}
			if m.Ruled() {
				made.ruled, made.row, made.root = m, rows.at[rowAt{i, n}], rows.root
			}
			if made.data, err = m.AppendEvent(nil, ev); err != nil {
				return nil, err
			}
			o := object(`{`).number("seq", tx.Seq).number("n", uint64(n)).text("model", made.model).text("type", made.kind).
				text("key", made.key).text("actor", tx.Actor).text("time", at)
			if ev.Custom != nil {
				o = o.text("event", ev.Custom.Name).raw("payload", string(ev.Custom.Payload))
				if ev.Custom.Version > 1 {
					o = o.number("version", uint64(ev.Custom.Version))
				}
			}
			o[0] = ','
			made.body = o
			b.events = append(b.events, made)
			b.bytes += len(made.body) + len(made.data)
		}
	}
	return b, nil
}

func modelOf(models []Model, number uint32) Model {
	for _, m := range models {
		if m.Ready() && m.Number() == number {
			return m
		}
	}
	return nil
}

// rowAt is an event of an entry, by its transaction's place and its own.
type rowAt struct{ tx, event int }

// eventRows are the records that the events of an entry made, or that they deleted.
type eventRows struct {
	root *state.Root // before the entry
	at   map[rowAt]*state.Row
}

// pastRows finds the records that read rules are held against: an event says what changed, and a rule may be about what did
// not. The state before the first entry that needs one is looked up, which may mean a replay, and goes on with the entries
// behind it. The zero pastRows is ready.
type pastRows struct {
	root  *state.Root  // before an entry; nil: none was needed yet
	batch *state.Batch // what came behind it
	next  uint64       // the first sequence that is not in it
	time  int64        // of the newest entry in it
}

// of returns the records of an entry, which are none where nothing in it has a rule.
func (p *pastRows) of(s *Server, e *engine.Entry, models []Model) (rows eventRows, err error) {
	ruled := func(number uint32) bool {
		m := modelOf(models, number)
		return m != nil && m.Ruled()
	}
	concerned := slices.ContainsFunc(e.Txs, func(tx engine.Transaction) bool {
		return slices.ContainsFunc(tx.Events, func(ev state.Event) bool { return ruled(ev.Model) })
	})
	switch {
	case !concerned && p.root == nil:
		return rows, nil
	case p.root == nil || p.next != e.First:
		if p.root, err = s.cfg.Source.At(s.ctx, e.First-1); err != nil {
			p.root = nil
			return rows, err
		}
		p.batch = p.root.Begin()
	case concerned && p.next != p.root.Seq()+1:
		p.root = p.batch.Seal(p.next-1, p.time)
		p.batch = p.root.Begin()
	}
	rows = eventRows{root: p.root, at: map[rowAt]*state.Row{}}
	for i := range e.Txs {
		tx := &e.Txs[i]
		for n := range tx.Events {
			ev := &tx.Events[n]
			if ruled(ev.Model) && ev.Kind == state.Deleted {
				rows.at[rowAt{i, n}] = p.batch.Get(ev.Model, ev.Key)
			}
			if err := p.batch.Apply(tx.Seq, *ev); err != nil {
				*p = pastRows{}
				return rows, err
			}
			if ruled(ev.Model) && ev.Kind != state.Deleted {
				rows.at[rowAt{i, n}] = p.batch.Get(ev.Model, ev.Key)
			}
		}
	}
	p.batch.Forget()
	p.next, p.time = e.First+uint64(len(e.Txs)), e.Time
	return rows, nil
}

// readRules hold events against what somebody may read.
type readRules struct {
	s   *Server
	who any
}

// admit says that an event may be told. What cannot be decided may not.
func (r readRules) admit(e *feedEvent) bool {
	if e.ruled == nil {
		return true
	}
	rule, err := e.ruled.Rule(e.root, r.who)
	if err != nil {
		r.s.log.Error("a read rule cannot be held against an event", "model", e.model, "seq", e.seq, "error", err)
		return false
	}
	return rule == nil || e.row != nil && rule.Match(e.row.Bytes())
}

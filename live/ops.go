package live

import (
	"context"
	"maps"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/state"
)

// subMessage asks for a live query.
type subMessage struct {
	ID     jsonx.RawValue `json:"id"`
	Model  string         `json:"model"`
	Query  string         `json:"query"`
	Fields []string       `json:"fields"`
	From   *uint64        `json:"from"`
	Hash   string         `json:"hash"`
	Epoch  string         `json:"epoch"`
	Every  int64          `json:"every_ms"`
}

// maxEvery bounds every_ms.
const maxEvery = 60_000

func (s *Server) sub(c *Conn, data []byte) error {
	var m subMessage
	if err := jsonx.Unmarshal(data, &m); err != nil {
		return fault("bad_message", err.Error())
	}
	if len(m.ID) == 0 {
		return fault("bad_message", "sub wants an id")
	}
	if m.Every < 0 || m.Every > maxEvery {
		return fault("bad_message", "every_ms is from 0 to 60000")
	}
	return s.subscribe(c, string(m.ID), &m)
}

// subscribe answers a query on the newest state, and looks up what the client has, before it
// troubles the core.
func (s *Server) subscribe(c *Conn, id string, m *subMessage) error {
	model, err := s.model(m.Model)
	if err != nil {
		return err
	}
	if err := s.authorize(c.Principal(), "list", m.Model, ""); err != nil {
		return err
	}
	root := s.cfg.Source.Root()
	sub := Subscription{ID: id, Every: m.Every}
	if m.From != nil {
		if root, err = s.reach(c.ctx, *m.From); err != nil {
			if root, sub.Resync = s.cfg.Source.Root(), "ahead"; s.elsewhere(m.Epoch) {
				sub.Resync = "epoch"
			}
		}
	}
	if sub.Query, err = s.query(model, root, c.Principal().Value, m.Query, m.Fields); err != nil {
		return err
	}
	if m.From != nil && sub.Resync == "" {
		sub.Last, sub.Resync = s.last(c.ctx, sub.Query, m)
	}
	if sub.Found, err = Find(sub.Query, root); err != nil {
		return err
	}
	told := make(chan error, 1)
	if !s.do(func(core *Core) { told <- core.Subscribe(c.id, sub) }) {
		return nil
	}
	select {
	case err = <-told:
	case <-s.ctx.Done():
	}
	return err
}

// reach returns the newest state, which holds a sequence; where it lies ahead of this node, as
// after another has failed, it is waited for a little.
func (s *Server) reach(ctx context.Context, seq uint64) (*state.Root, error) {
	if root := s.cfg.Source.Root(); root.Seq() >= seq {
		return root, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CatchUp)
	defer cancel()
	return s.cfg.Source.Wait(ctx, seq)
}

// last returns the answer that a client has, or why it is of no use.
func (s *Server) last(ctx context.Context, q *Query, m *subMessage) (*Look, string) {
	if s.elsewhere(m.Epoch) {
		return nil, "epoch"
	}
	look, err := s.past.find(ctx, s.ctx, q, *m.From, func(ctx context.Context) (*Look, error) {
		root, err := s.cfg.Source.At(ctx, *m.From)
		if err != nil {
			return nil, err
		}
		return Find(q, root)
	})
	switch {
	case err != nil && ctx.Err() == nil:
		return nil, "gone"
	case err != nil:
		return nil, "timeout"
	case m.Hash != "" && m.Hash != look.Hash().String():
		return nil, "hash"
	}
	return look, ""
}

// elsewhere says that an epoch is not that of this data, which is known to be at least as new as any state that was
// had before.
func (s *Server) elsewhere(epoch string) bool {
	own := s.epoch()
	return epoch != "" && own != "" && own != epoch
}

// epoch names the data; it is empty where it has no name.
func (s *Server) epoch() string {
	if s.cfg.Epoch == nil {
		return ""
	}
	return s.cfg.Epoch()
}

// idOf reads the id alone.
func idOf(data []byte, op string) (string, error) {
	var e envelope
	if err := jsonx.Unmarshal(data, &e); err != nil {
		return "", fault("bad_message", err.Error())
	}
	if len(e.ID) == 0 {
		return "", fault("bad_message", op+" wants an id")
	}
	return string(e.ID), nil
}

func (s *Server) unsub(c *Conn, data []byte) error {
	id, err := idOf(data, "unsub")
	if err != nil {
		return err
	}
	if c.stopFeed(id) {
		c.ok(id)
		return nil
	}
	s.do(func(core *Core) {
		f := okFrame(c.format, id)
		if !core.Unsubscribe(c.id, id) {
			f = errorFrame(c.format, id, fault("unknown_id", "there is no subscription "+id))
		}
		core.Reply(c.id, f)
	})
	return nil
}

// ok says that what a message asked for is done.
func (c *Conn) ok(ref string) { c.reply(okFrame(c.format, ref)) }

func okFrame(f Format, ref string) *Frame {
	return begin(f, "ok", "").raw("ref", ref).frame(f, "ok", "")
}

func (s *Server) ping(c *Conn, data []byte) error {
	s.do(func(core *Core) { core.Ping(c.id) })
	return nil
}

// auth renews the principal of a connection by a token; another user is refused. What it may not
// follow any more ends.
func (s *Server) auth(c *Conn, data []byte) error {
	var m struct {
		Ref   jsonx.RawValue `json:"ref"`
		Token string         `json:"token"`
	}
	if err := jsonx.Unmarshal(data, &m); err != nil {
		return fault("bad_message", err.Error())
	}
	if s.cfg.Guard == nil {
		return fault("unsupported", "this server knows no tokens")
	}
	p, err := s.cfg.Guard.Renew(c.Principal(), m.Token)
	if err != nil {
		return &Error{Code: "unauthorized", Detail: "the token is not taken", Err: err}
	}
	if p.ID != c.Principal().ID {
		return fault("unauthorized", "the token is another user's")
	}
	if !p.Expiry.IsZero() && !time.Now().Before(p.Expiry) {
		return fault("unauthorized", "the token has expired")
	}
	c.setPrincipal(p)
	s.recheck(c, p)
	for _, fn := range s.renew {
		fn(c)
	}
	if len(m.Ref) == 0 {
		m.Ref = jsonx.RawValue("null")
	}
	c.ok(string(m.Ref))
	return nil
}

// recheck ends subscriptions that the principal of a connection may not have any more, and those
// whose read rule has become another for it: these may be asked for again.
func (s *Server) recheck(c *Conn, p Principal) {
	for id, f := range c.running() {
		if err := s.authorize(p, "feed", f.model, f.key); err != nil && c.stopFeed(id) {
			c.fail(id, err)
		}
	}
	told := make(chan map[string]*Query, 1)
	if !s.do(func(core *Core) { told <- core.Queries(c.id) }) {
		return
	}
	var queries map[string]*Query
	select {
	case queries = <-told:
	case <-s.ctx.Done():
	}
	for id, q := range queries {
		if err := s.stillAllowed(p, q); err != nil {
			s.do(func(core *Core) { core.End(c.id, id, s.public(err)) })
		}
	}
}

func (s *Server) stillAllowed(p Principal, q *Query) error {
	if err := s.authorize(p, "list", q.model.Name(), ""); err != nil {
		return err
	}
	rule, err := q.model.Rule(s.cfg.Source.Root(), p.Value)
	if err != nil {
		return err
	}
	if idOfRule(rule) != q.rule {
		return fault("forbidden", "what may be read is another now: ask again")
	}
	return nil
}

// running returns the feeds of a connection.
func (c *Conn) running() map[string]runningFeed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.feeds)
}

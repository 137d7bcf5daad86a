package live

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// Subprotocol is the WebSocket subprotocol that SPEC.md describes.
const Subprotocol = "lithair.live.v1"

// Source is the state that is followed; *engine.Engine is one. Its methods are called at once by
// many goroutines.
type Source interface {
	Root() *state.Root
	// Changed returns a channel that is closed once Root is newer than it was.
	Changed() <-chan struct{}
	// At returns the state at a sequence. An error says that it cannot be had any more.
	At(ctx context.Context, seq uint64) (*state.Root, error)
	// Wait returns a state that is at least at a sequence.
	Wait(ctx context.Context, seq uint64) (*state.Root, error)
	// Stream returns what was committed behind a sequence.
	Stream(ctx context.Context, behind uint64) (*engine.Stream, error)
}

// Principal is whom a connection is for.
type Principal struct {
	ID      string
	Expiry  time.Time       // zero: none
	Revoked <-chan struct{} // closed when the connection is to end; nil: never
	Value   any             // of the guard
}

// Guard decides who may connect, and who may follow what. Its methods are called at once by
// many goroutines. An error that is a *wire.Error is answered as it is before the upgrade.
type Guard interface {
	// Authenticate is asked before a connection is taken over.
	Authenticate(r *wire.Request) (Principal, error)
	// Renew is asked when a connection sends a token.
	Renew(p Principal, token string) (Principal, error)
	// Authorize allows or refuses. verb is list for live queries and feed for events; model
	// and key are empty where all are meant.
	Authorize(p Principal, verb, model, key string) error
}

// Config says how a Server works. Source and Models are required; zero values elsewhere take the
// defaults.
type Config struct {
	Source Source
	Models func() []Model // that may be followed
	Guard  Guard          // nil: everybody may follow everything

	Node func() string // name of this node, for clients; nil: none is told
	// Epoch names the data: positions of another epoch mean nothing here. nil, or an empty name: there is one alone. It may
	// become another, as on a node that is fed with the log of what was restored elsewhere; what it says is at
	// least as new as a Root that was had before. It waits for nobody.
	Epoch func() string

	Limits Limits
	Query  query.Options // default: as of package query
	WS     ws.Config     // Subprotocols is set

	MessagesPerSecond int           // of one connection, with bursts of ten times that; default 50
	ConnsPerUser      int           // connections of one principal that is not anonymous; default 100
	CatchUp           time.Duration // how long a position that lies ahead of this node is waited for; default 2 s
	Heartbeat         time.Duration // of event streams; default 15 s

	Logger *slog.Logger // default slog.Default()
}

// Server serves live queries and feeds over WebSocket and server-sent events. It is safe for
// concurrent use.
type Server struct {
	cfg   Config
	log   *slog.Logger
	ws    *ws.Server
	core  *Core // owned by run
	inbox chan func(c *Core)
	ctx   context.Context
	stop  context.CancelFunc
	done  chan struct{}
	ops   map[string]Operation
	renew []func(c *Conn)
	past  pastViews
	tail  tail
	start time.Time

	mu       sync.Mutex
	conns    map[uint64]*Conn
	users    map[string]int // connections by principal
	next     uint64
	draining bool

	stats  atomic.Pointer[Stats]
	cut    atomic.Uint64 // connections that were ended from here
	feeds  atomic.Int64
	events atomic.Uint64 // sent by feeds
}

// Operation handles a message of a client: data is its JSON text, valid during the call only.
// An error that is a *[Error] is told to the client.
type Operation func(c *Conn, data []byte) error

// NewServer returns a server that follows nothing before Start.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Source == nil || cfg.Models == nil {
		return nil, errors.New("live: Config: Source and Models are required")
	}
	set := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&cfg.CatchUp, 2*time.Second)
	set(&cfg.Heartbeat, 15*time.Second)
	if cfg.MessagesPerSecond <= 0 {
		cfg.MessagesPerSecond = 50
	}
	if cfg.ConnsPerUser <= 0 {
		cfg.ConnsPerUser = 100
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Limits.defaults()
	cfg.WS.Subprotocols, cfg.WS.Logger = []string{Subprotocol}, cfg.Logger
	up, err := ws.NewServer(cfg.WS)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Logger, ws: up, inbox: make(chan func(*Core), 256), done: make(chan struct{}), conns: map[uint64]*Conn{}, users: map[string]int{}, start: time.Now()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.ops = map[string]Operation{"sub": s.sub, "unsub": s.unsub, "feed": s.feed, "auth": s.auth, "ping": s.ping}
	s.stats.Store(&Stats{})
	return s, nil
}

// Handle adds an operation that clients may ask for, by the member op of their messages. It comes
// before Start.
func (s *Server) Handle(op string, fn Operation) error {
	if s.ops[op] != nil {
		return errors.New("live: the operation " + op + " is there already")
	}
	s.ops[op] = fn
	return nil
}

// OnRenew has fn called when a token has renewed whom a connection is for, before the client is told: what the new
// principal may not have any more is to end. It comes before Start.
func (s *Server) OnRenew(fn func(c *Conn)) { s.renew = append(s.renew, fn) }

// Start begins to follow the source.
func (s *Server) Start() {
	s.core = NewCore(s.cfg.Limits, s.cfg.Source.Root())
	go s.run()
}

// tickEvery is how often subscriptions with a rate are looked at.
const tickEvery = 10 * time.Millisecond

// run owns the core: it hands in newer states and what connections ask for, and hands frames
// out. It never waits for a connection.
func (s *Server) run() {
	defer close(s.done)
	var tick <-chan time.Time
	for {
		changed := s.cfg.Source.Changed()
		s.core.Tick(time.Since(s.start).Milliseconds())
		root := s.cfg.Source.Root()
		s.follows(s.epoch())
		s.core.Commit(root)
		s.flush()
		if tick = nil; s.core.Slowed() {
			tick = time.After(tickEvery)
		}
		select {
		case <-s.ctx.Done():
			return
		case <-changed:
		case <-tick:
		case fn := <-s.inbox:
			fn(s.core)
			for range len(s.inbox) {
				(<-s.inbox)(s.core)
			}
		}
	}
}

// follows ends the connections that were told of another epoch: what they are told from now on is not of that one. It is
// called by the owner of the core.
func (s *Server) follows(epoch string) {
	was := s.core.epoch
	if was == epoch {
		return
	}
	s.core.epoch = epoch
	if was == "" {
		return
	}
	s.log.Info("live connections are ended: the data is of another epoch", "was", was, "is", epoch)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		s.cut.Add(1)
		go c.end(ws.CloseServiceRestart, "the data is of another epoch")
	}
}

// flush hands frames to their connections.
func (s *Server) flush() {
	st := s.core.Stats()
	s.stats.Store(&st)
	out := s.core.Take()
	if len(out) == 0 {
		return
	}
	conns := make([]*Conn, len(out))
	s.mu.Lock()
	for i := range out {
		conns[i] = s.conns[out[i].Conn]
	}
	s.mu.Unlock()
	for i, c := range conns {
		if c != nil {
			c.push(out[i].Frame, fromCore)
		}
	}
}

// do has fn called by the owner of the core; false when the server has stopped.
func (s *Server) do(fn func(c *Core)) bool {
	select {
	case s.inbox <- fn:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// model finds a model by its name.
func (s *Server) model(name string) (Model, error) {
	for _, m := range s.cfg.Models() {
		if m.Name() != name {
			continue
		}
		switch {
		case !m.Ready():
			return nil, fault("unavailable", "the server is starting")
		case m.Number() >= state.LocalModel:
			return nil, fault("unknown_model", name+" is kept in memory only, and cannot be followed")
		}
		return m, nil
	}
	return nil, fault("unknown_model", "there is no model "+strconv.Quote(cut(name)))
}

// maxQueryBytes bounds a query with its fields: each is kept as long as somebody follows it.
const maxQueryBytes = 16 << 10

// query reads a query of a model, for what somebody may read.
func (s *Server) query(m Model, root *state.Root, who any, raw string, fields []string) (*Query, error) {
	size := len(raw)
	for _, f := range fields {
		size += len(f) + 1
	}
	if size > maxQueryBytes {
		return nil, fault("too_large", "a query is at most 16 KiB long")
	}
	parsed := wire.ParseQuery(raw)
	if parsed.Err != nil {
		return nil, fault("bad_query", parsed.Err.Error())
	}
	for _, p := range parsed.Pairs {
		switch p[0] {
		case "at", "level", "freshness", "freshness_strict", "min_index":
			return nil, fault("bad_query", p[0]+" has no meaning for a live query")
		}
	}
	q, err := m.Query(root, parsed.Pairs, s.cfg.Query)
	if err == nil && fields != nil {
		q, err = withFields(m, root, q, fields, s.cfg.Query)
	}
	if err != nil {
		return nil, fault("bad_query", err.Error())
	}
	if q.Skip+q.Take > s.cfg.Limits.Rows {
		return nil, fault("too_large", "skip and take reach further than a live query may")
	}
	rule, err := m.Rule(root, who)
	if err != nil {
		return nil, err
	}
	made := NewQuery(m, q.And(rule))
	made.rule = idOfRule(rule)
	return made, nil
}

func idOfRule(rule *query.Query) string {
	if rule == nil {
		return ""
	}
	return rule.ID()
}

// withFields sets the fields of a query, and refuses those that are none.
func withFields(m Model, root *state.Root, q *query.Query, fields []string, opt query.Options) (*query.Query, error) {
	list := ""
	for i, f := range fields {
		if i > 0 {
			list += ","
		}
		list += f
	}
	only, err := m.Query(root, [][2]string{{"fields", list}}, opt)
	if err != nil {
		return nil, err
	}
	made := *q
	made.Fields = only.Fields
	return &made, nil
}

// Info describes a connection.
type Info struct {
	ID        uint64
	Principal Principal
	Remote    string
	Transport string // websocket or events
	Since     time.Time
	Queued    int // bytes that it has not taken
}

// Conns lists the open connections, in no order.
func (s *Server) Conns() (list []Info) {
	s.mu.Lock()
	all := make([]*Conn, 0, len(s.conns))
	for _, c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		list = append(list, c.info())
	}
	return list
}

// Kick ends a connection; false when there is none with that number. Clients may come again.
func (s *Server) Kick(id uint64, reason string) bool {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	if c != nil {
		s.cut.Add(1)
		go c.end(CloseKicked, reason)
	}
	return c != nil
}

// Stats returns the current figures.
func (s *Server) Stats() Stats { return *s.stats.Load() }

// Figures are counts of a Server beside those of its Core.
type Figures struct {
	Stats
	Feeds  int
	Events uint64 // sent by feeds
	Cut    uint64 // connections that were ended from here: slow, expired, revoked, kicked
}

// Figures returns the current figures.
func (s *Server) Figures() Figures {
	return Figures{s.Stats(), int(s.feeds.Load()), s.events.Load(), s.cut.Load()}
}

// Shutdown tells connections to go elsewhere, each after a time of its own within spread so that
// they do not all come at once, closes those that stay, and ends the server. When ctx ends
// first, the rest are cut.
func (s *Server) Shutdown(ctx context.Context, spread time.Duration) error {
	s.mu.Lock()
	s.draining = true
	all := make([]*Conn, 0, len(s.conns))
	for _, c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	var left sync.WaitGroup
	for _, c := range all {
		after := time.Duration(rand.Int64N(int64(max(spread, 1))))
		c.push(object(nil).frameOp(c.format, "drain", func(o object) object { return o.number("after_ms", uint64(after.Milliseconds())) }), fromProgram)
		left.Go(func() {
			select {
			case <-time.After(after):
			case <-c.gone:
			case <-ctx.Done():
			}
			c.end(ws.CloseServiceRestart, "the server stops")
		})
	}
	left.Wait()
	err := s.ws.Shutdown(ctx)
	s.stop()
	if s.core != nil {
		select {
		case <-s.done:
		case <-ctx.Done():
			err = errors.Join(err, context.Cause(ctx))
		}
	}
	return err
}

package ws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/lithair/lithair-go/wire"
)

// Server turns requests of package wire into WebSocket connections and keeps account of
// them. Its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	origins *wire.Origins
	set     *settings

	mu     sync.Mutex
	conns  []*Conn
	coming int // handshakes under way
	closed bool
	gone   chan struct{} // closed when the last connection of a closed server ends
}

// NewServer returns a server, or says what is wrong with its configuration.
func NewServer(cfg Config) (*Server, error) {
	if err := errors.Join(cfg.Limits.defaults(), cfg.Compression.defaults()); err != nil {
		return nil, err
	}
	if cfg.MaxConns < 0 {
		return nil, errors.New("ws: Config.MaxConns is negative")
	}
	cfg.MaxConns = cmp.Or(cfg.MaxConns, 100_000)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if err := checkProtocols("Config", cfg.Subprotocols); err != nil {
		return nil, err
	}
	if cfg.MaxConns > math.MaxInt32 {
		return nil, errors.New("ws: Config.MaxConns is beyond 2^31")
	}
	origins, err := wire.NewOrigins(cfg.Origins...)
	if err != nil {
		return nil, fmt.Errorf("ws: Config.Origins: %w", err)
	}
	s := &Server{cfg: cfg, origins: origins}
	s.set = &settings{Limits: cfg.Limits, minPacked: cfg.Compression.MinBytes, protocols: cfg.Subprotocols, log: cfg.Logger, clock: theClock, server: s}
	return s, nil
}

// Handler returns a handler for wire that upgrades each request and has h called for what
// comes on the connections.
func (s *Server) Handler(h *Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		c, err := s.Upgrade(w, r)
		if err != nil {
			return err
		}
		c.Handle(h)
		return nil
	}
}

// Func returns a handler for wire that upgrades each request and calls f in a goroutine of
// the connection's, which may Read there. The connection is cut when f returns, so f closes
// it before, if it should end in good order. A panic of f is logged and closes with 1011.
func (s *Server) Func(f func(c *Conn)) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		c, err := s.Upgrade(w, r)
		if err != nil {
			return err
		}
		go func() { // wire's goroutine ends, and what the request held goes with it
			defer c.CloseNow()
			defer c.closedByPanic()
			f(c)
		}()
		return nil
	}
}

// Upgrade completes the opening handshake (RFC 6455 §4.2) and takes the connection over.
// Fields that were set on w are sent along. Whoever is let in is decided before: an error
// that a handler or middleware returns in its stead is an ordinary response.
//
// An error is a *[wire.Error] for the client, to be returned: 400 what is malformed, 403
// another origin's page, 405, 426 another version or no WebSocket request at all, 503 too
// many connections, or a server that was shut down.
func (s *Server) Upgrade(w *wire.Response, r *wire.Request) (*Conn, error) {
	o, status, detail := readOpening(r.Method(), r.Proto(), r.Headers())
	if status != 101 {
		return nil, refusal(status, detail)
	}
	if !s.origins.Allow(r) {
		return nil, &wire.Error{Status: 403, Code: "cross_origin", Detail: "a page of another origin may not connect"}
	}
	if err := s.admit(); err != nil {
		return nil, err
	}
	reply := append(takeBuffer(minReply), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	reply = append(appendAccept(reply, o.key), "\r\n"...)
	protocol := chooseProtocol(s.cfg.Subprotocols, o.protocols)
	if protocol != "" {
		reply = appendField(reply, "Sec-WebSocket-Protocol", protocol)
	}
	var p packing
	if !s.cfg.Compression.Off {
		var e string
		if p, e = agree(o.extensions, s.cfg.Compression.Takeover); e != "" {
			reply = appendField(reply, "Sec-WebSocket-Extensions", e)
		}
	}
	for name, value := range w.Headers() {
		if !strings.HasPrefix(strings.ToLower(name), "sec-websocket-") {
			reply = appendField(reply, name, value)
		}
	}
	reply = append(reply, "\r\n"...)
	defer func() { giveBuffer(reply) }()
	nc, buffered, err := r.Hijack()
	if err != nil {
		s.unadmit()
		return nil, err
	}
	c := newConn(nc, s.set, p, buffered)
	c.protocol = s.set.protocolNumber(protocol)
	if err := c.sendReply(reply); err != nil {
		c.cut(err)
		s.unadmit()
		return nil, err
	}
	if s.add(c) { // Shutdown began after the connection was let in, and has not seen it
		c.goAway()
	}
	return c, nil
}

// minReply is what the response of a handshake takes as a rule.
const minReply = 1 << 10

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

func refusal(status int, detail string) error {
	e := &wire.Error{Status: status, Detail: detail}
	switch status {
	case 405:
		e.Header = [][2]string{{"Allow", "GET"}}
	case 426:
		e.Header = [][2]string{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", ourVersion}}
	}
	return e
}

// sendReply sends the response of the handshake.
func (c *Conn) sendReply(reply []byte) error {
	ctx := context.Background()
	if err := c.out.acquire(ctx, c, forMessage); err != nil {
		return err
	}
	defer c.out.release(c, true)
	return c.sendAll(ctx, reply, nil)
}

// admit makes room for one more connection.
func (s *Server) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &wire.Error{Status: 503, Detail: "the server is shutting down", Close: true, Err: ErrServerClosed}
	}
	if len(s.conns)+s.coming >= s.cfg.MaxConns {
		return &wire.Error{Status: 503, Detail: "too many connections", Header: [][2]string{{"Retry-After", "1"}}}
	}
	s.coming++
	return nil
}

func (s *Server) unadmit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming--
	s.checkGone()
}

// add counts a connection whose handshake is complete: before that, nobody may send on it.
// closed says that the server was shut down meanwhile.
func (s *Server) add(c *Conn) (closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming--
	if c.is.has(dead) { // it was forgotten before it was known
		s.checkGone()
		return s.closed
	}
	c.index = int32(len(s.conns))
	s.conns = append(s.conns, c)
	return s.closed
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.index < 0 {
		return
	}
	last := s.conns[len(s.conns)-1]
	s.conns[c.index], last.index = last, c.index
	s.conns[len(s.conns)-1] = nil
	s.conns, c.index = s.conns[:len(s.conns)-1], -1
	s.checkGone()
}

func (s *Server) checkGone() {
	if len(s.conns)+s.coming == 0 && s.gone != nil {
		close(s.gone)
		s.gone = nil
	}
}

// Conns returns the open connections, in no order. One is among them when Upgrade returns; its
// client may have had the answer a moment before.
func (s *Server) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// Len returns the number of open connections.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// WindowBytes returns what open connections hold between messages for Compression.Takeover.
func (s *Server) WindowBytes() (n int) {
	for _, c := range s.Conns() {
		n += c.out.windowBytes()
		n += int(c.windowHeld.Load())
	}
	return n
}

// goAway begins to close a connection of a server that is shut down.
func (c *Conn) goAway() {
	if c.sayClose(CloseGoingAway, "the server is shutting down") {
		c.set.clock.watch(c, clockTick)
	}
}

// Shutdown refuses new connections, closes the open ones with 1001 and returns when all
// have ended. When ctx ends first, the rest are cut and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	if s.gone == nil {
		s.gone = make(chan struct{})
	}
	gone := s.gone
	s.checkGone()
	s.mu.Unlock()
	for _, c := range s.Conns() {
		c.goAway()
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.Conns() {
		c.cut(ErrServerClosed)
	}
	return context.Cause(ctx)
}

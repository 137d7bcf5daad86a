package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Handler answers a request. A returned *[Error] becomes the response; any other error
// becomes a 500, is logged with the request id and never sent. A panic likewise.
type Handler func(w *Response, r *Request) error

// Config says how a server works. Handler is required; zero values elsewhere take the
// defaults.
type Config struct {
	Handler Handler
	Logger  *slog.Logger // default slog.Default()

	MaxHeaderBytes  int   // request line and header section; default 64 KiB; 414 or 431
	MaxHeaderFields int   // default 200; 431
	MaxBodyBytes    int64 // default 16 MiB; 413
	MaxTrailerBytes int   // default 8 KiB; 431
	MaxDrainBytes   int64 // unread body that is read to keep the connection; default 256 KiB
	MaxConns        int   // connections at a time; more get 503. Default 100,000
	MaxPipelined    int   // responses to pipelined requests that are gathered before they are sent; default 64

	ReadHeaderTimeout time.Duration // first byte of a head to its end; default 10 s; 408
	ReadBodyTimeout   time.Duration // grace for a body beyond what MinBodyRate allows; default 30 s; 408
	MinBodyRate       int64         // bytes per second; default 1 KiB
	WriteTimeout      time.Duration // for one write; comes up to a quarter late; default 30 s
	IdleTimeout       time.Duration // between requests; default 2 min
	LingerTimeout     time.Duration // after the last response; default 1 s
	HandshakeTimeout  time.Duration // of TLS; default 10 s; the connection is closed
	ShutdownGrace     time.Duration // for one more request on an idle connection while the server shuts down; default none

	// Proxies are believed about who the client is. Default: none is.
	Proxies ProxyConfig

	// ErrorBody renders an error response. The default writes problem details (RFC
	// 9457). r has no target when the head could not be read.
	ErrorBody func(r *Request, e *Error) (contentType string, body []byte)
}

func (c *Config) defaults() error {
	if c.Handler == nil {
		return errors.New("wire: Config.Handler is nil")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.ErrorBody == nil {
		c.ErrorBody = problemBody
	}
	for _, f := range []struct {
		name string
		v    *int64
		def  int64
	}{
		{"MaxBodyBytes", &c.MaxBodyBytes, 16 << 20}, {"MaxDrainBytes", &c.MaxDrainBytes, 256 << 10}, {"MinBodyRate", &c.MinBodyRate, 1 << 10},
		{"ReadHeaderTimeout", (*int64)(&c.ReadHeaderTimeout), int64(10 * time.Second)}, {"ReadBodyTimeout", (*int64)(&c.ReadBodyTimeout), int64(30 * time.Second)},
		{"WriteTimeout", (*int64)(&c.WriteTimeout), int64(30 * time.Second)}, {"IdleTimeout", (*int64)(&c.IdleTimeout), int64(2 * time.Minute)},
		{"LingerTimeout", (*int64)(&c.LingerTimeout), int64(time.Second)}, {"HandshakeTimeout", (*int64)(&c.HandshakeTimeout), int64(10 * time.Second)}, {"ShutdownGrace", (*int64)(&c.ShutdownGrace), 0},
	} {
		if *f.v < 0 {
			return fmt.Errorf("wire: Config.%s is negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{{"MaxHeaderBytes", &c.MaxHeaderBytes, 64 << 10}, {"MaxHeaderFields", &c.MaxHeaderFields, 200}, {"MaxTrailerBytes", &c.MaxTrailerBytes, 8 << 10}, {"MaxConns", &c.MaxConns, 100_000}, {"MaxPipelined", &c.MaxPipelined, 64}} {
		if *f.v < 0 {
			return fmt.Errorf("wire: Config.%s is negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return nil
}

// Server serves HTTP/1.1 on any number of listeners. Its methods are safe for concurrent
// use.
type Server struct {
	cfg     Config
	proxies *proxies // nil: none is believed
	log     *slog.Logger
	ctx     context.Context // ends at Close
	cancel  context.CancelFunc
	closing atomic.Bool
	keeper  keeper
	parker  parker
	dates   dates

	draining context.Context // ends when closing begins
	drain    context.CancelFunc

	mu        sync.Mutex
	listeners map[net.Listener]bool
	links     []*link       // open connections
	refusing  int           // connections over MaxConns that are being told so
	gone      chan struct{} // closed when the last connection of a closing server ends
}

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("wire: the server is closed")

// NewServer returns a server that is not listening.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	proxies, err := cfg.Proxies.prepare()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, proxies: proxies, log: cfg.Logger, listeners: map[net.Listener]bool{}}
	s.keeper.idle = cfg.IdleTimeout
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.draining, s.drain = context.WithCancel(s.ctx)
	return s, nil
}

// ListenAndServe listens on a network ("tcp", "unix") and address, and serves. Of Unix
// sockets see [ListenUnix]: this user alone may connect.
func (s *Server) ListenAndServe(network, addr string) error {
	l, err := listen(network, addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// Serve accepts connections until the server is closed, and returns [ErrServerClosed]
// then. It closes the listener. When descriptors run out it waits and goes on.
func (s *Server) Serve(l net.Listener) error {
	if !s.track(l) {
		return errors.Join(ErrServerClosed, l.Close())
	}
	defer s.untrack(l)
	pause := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.closing.Load() {
				return ErrServerClosed
			}
			if !passing(err) {
				return fmt.Errorf("wire: accept: %w", err)
			}
			s.log.Error("a connection could not be accepted", "error", err, "again_in", pause.String())
			select {
			case <-time.After(pause):
			case <-s.draining.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		s.start(nc)
	}
}

// passing says that an error of Accept may pass: no descriptors left, or a connection
// that was gone again.
func passing(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// maxRefusing bounds the goroutines that tell connections over MaxConns so. Connections
// beyond are closed without a word.
const maxRefusing = 256

func (s *Server) start(nc net.Conn) {
	l := &link{srv: s, nc: nc, raw: rawConn(nc), index: -1}
	s.mu.Lock()
	full := len(s.links) >= s.cfg.MaxConns
	refuse := full && s.refusing < maxRefusing
	switch {
	case refuse:
		s.refusing++
	case !full:
		l.index = len(s.links)
		s.links = append(s.links, l)
	}
	s.mu.Unlock()
	switch {
	case refuse:
		go s.refuse(l)
	case full:
		nc.Close() // nothing was said on it
	default:
		go l.open()
	}
}

// open begins a connection. TLS is completed before anything else is read.
func (l *link) open() {
	if t, ok := l.nc.(*tls.Conn); ok {
		if l.srv.handshake(t) != nil { // which has logged it
			l.finish()
			return
		}
	}
	l.srv.keeper.add(l)
	l.serve()
}

// refuse answers 503.
func (s *Server) refuse(l *link) {
	c := newConn(l)
	c.equip()
	defer func() {
		s.mu.Lock()
		s.refusing--
		s.mu.Unlock()
	}()
	defer c.end()
	c.refuse(&Error{Status: 503, Detail: "too many connections", Header: [][2]string{{"Retry-After", "1"}}, Close: true})
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.listeners[l] = true
	return true
}

func (s *Server) untrack(l net.Listener) {
	l.Close() // Shutdown may have closed it already
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.checkGone()
}

// checkGone tells Shutdown when the last connection has ended and none can come. mu is
// held.
func (s *Server) checkGone() {
	if len(s.links)+len(s.listeners) == 0 && s.gone != nil {
		close(s.gone)
		s.gone = nil
	}
}

// forget is called once a connection has ended or was handed over.
func (s *Server) forget(l *link) {
	l.enter(phaseClosed)
	s.keeper.remove(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.index < 0 {
		return
	}
	last := s.links[len(s.links)-1]
	s.links[l.index], last.index = last, l.index
	s.links[len(s.links)-1] = nil
	s.links, l.index = s.links[:len(s.links)-1], -1
	s.checkGone()
}

// Conns returns the number of open connections.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// opened returns the open connections, and a channel that is closed when none is left and
// none can come; nil when that is so already.
func (s *Server) opened() (links []*link, gone <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links)+len(s.listeners) == 0 {
		return nil, nil
	}
	if s.gone == nil {
		s.gone = make(chan struct{})
	}
	return slices.Clone(s.links), s.gone
}

// Shutdown stops accepting, lets requests under way finish, closes idle connections and
// returns when all are gone. A connection that was accepted and on which no request has
// come yet may send one, for a second: its client cannot know. Config.ShutdownGrace gives
// idle connections time for one more, too, so that a client that is about to send meets
// "Connection: close" in a response and not a closed connection. When ctx ends first, the
// rest are closed by force and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.stop()
	links, gone := s.opened()
	for _, l := range links {
		if !l.interrupt(causeClose) && l.is(phaseParked) {
			l.dismiss(s.keeper.ticketOf(l))
		}
	}
	if gone != nil {
		select {
		case <-gone:
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx), s.Close())
		}
	}
	s.keeper.stop()
	s.parker.retire()
	s.cancel()
	return err
}

// stop closes the listeners.
func (s *Server) stop() (err error) {
	s.closing.Store(true)
	s.drain()
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		if e := l.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Close closes listeners and connections at once. It does not wait for handlers: their
// contexts end, and what they write fails.
func (s *Server) Close() error {
	err := s.stop()
	s.cancel()
	links, _ := s.opened()
	for _, l := range links {
		l.abort()
	}
	s.keeper.stop()
	s.parker.retire()
	return err
}

package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// TCPConfig says how nodes reach each other. Listener, ID and Cluster are required.
type TCPConfig struct {
	Listener net.Listener // closed by Close
	ID       consensus.NodeID
	Cluster  uint64
	// Secret is known to all nodes of the cluster and to nobody else.
	Secret []byte
	// TLS, if set, is used on both sides; its certificates say what is asked of whom.
	TLS *tls.Config
	// Trust returns the authorities of both sides in place of those in TLS, anew for each connection; nil: those in TLS.
	Trust func() *x509.CertPool
	// Insecure allows peers off loopback without Secret and TLS, both of which they need
	// otherwise: the secret says who may speak, TLS that nobody else does on the way.
	Insecure bool

	MaxFrameBytes int           // of one message; default 80 MiB
	MaxQueueBytes int           // waiting for one peer or one group, beyond which messages are dropped; default 64 MiB
	MaxStrangers  int           // connections in their handshake; one more ends the oldest of them; default 64
	MaxStreams    int           // named streams that others have opened, for each group; default 1024
	DialTimeout   time.Duration // of a connection and its handshake; default 2 s
	WriteTimeout  time.Duration // default 10 s
	RetryAfter    time.Duration // between attempts to reach a peer; default 100 ms
	Dial          func(ctx context.Context, address string) (net.Conn, error)
	Logger        *slog.Logger
}

func (c *TCPConfig) setDefaults() error {
	if c.Listener == nil || c.ID == 0 || c.Cluster == 0 {
		return errors.New("node: TCPConfig.Listener, ID and Cluster are required")
	}
	for _, f := range []struct {
		value *int
		def   int
	}{{&c.MaxFrameBytes, 80 << 20}, {&c.MaxQueueBytes, 64 << 20}, {&c.MaxStrangers, 64}, {&c.MaxStreams, 1024}} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, f := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.DialTimeout, 2 * time.Second}, {&c.WriteTimeout, 10 * time.Second}, {&c.RetryAfter, 100 * time.Millisecond}} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if (len(c.Secret) == 0 || c.TLS == nil) && !c.Insecure && !loopback(c.Listener.Addr()) {
		return fmt.Errorf("node: %v is not a loopback address: set a cluster secret and TLS, or allow insecure peers", c.Listener.Addr())
	}
	return nil
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return !ok || t.IP.IsLoopback()
}

// TCP is a [Transport]: a connection to each peer for what is sent to it, and one from each for
// what it sends; pieces of snapshots have a connection of their own, so that no heartbeat waits
// behind one. Frames are length(4) sum(4: CRC-32C) and an encoded message.
//
// It is the transport of group 0, and carries others as well, see [TCP.Group].
type TCP struct {
	cfg    TCPConfig
	newest uint8 // version of the protocol
	began  time.Time
	zero   *Group
	served Groups // those whose Serve was called
	stats  tcpStats

	mu        sync.Mutex
	groups    map[uint32]*Group
	conns     map[place]*outgoing
	incoming  map[net.Conn]bool
	reading   map[*incoming]bool
	strangers []net.Conn // in their handshake, oldest first
	ends      ends
	closed    bool

	rounds atomic.Uint64 // of watch
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// NewTCP returns a transport that is not listening yet.
func NewTCP(cfg TCPConfig) (*TCP, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	t := &TCP{cfg: cfg, newest: newestVersion, began: time.Now(), groups: map[uint32]*Group{}, conns: map[place]*outgoing{}, incoming: map[net.Conn]bool{}, reading: map[*incoming]bool{}, ends: ends{}}
	t.zero = t.newGroup(0)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// Serve begins to take connections: messages of group 0 go to receive; gone is told when a peer's
// process is dead, see [Node.LeaderLost]. Both are nil where there is no group 0. It is called
// once.
func (t *TCP) Serve(receive func(...consensus.Message), gone func(consensus.NodeID)) {
	if receive != nil {
		if err := t.zero.Serve(receive, gone); err != nil {
			return // it was closed meanwhile
		}
	}
	t.done.Add(2)
	go t.accept()
	go t.watch()
}

// Send implements [Transport], for group 0.
func (t *TCP) Send(messages []consensus.Message) { t.zero.Send(messages) }

// Members implements [Transport], for group 0.
func (t *TCP) Members(m consensus.Membership) { t.zero.Members(m) }

func (t *TCP) untilTick(every time.Duration) time.Duration { return t.zero.untilTick(every) }

// TCPStats counts since the transport was made.
type TCPStats struct {
	Messages, Writes uint64 // sent: messages of all groups, and writes that carried them
	Dropped          uint64 // messages to a peer that did not keep up
	Unsent           uint64 // messages of groups other than 0 to peers whose release knows none
	Unknown          uint64 // arrived for groups that are not here
	Refused          uint64 // times that a peer has said that it does not have a group
}

type tcpStats struct{ messages, writes, dropped, unsent, unknown, refused atomic.Uint64 }

// Stats returns what the transport has done.
func (t *TCP) Stats() TCPStats {
	s := &t.stats
	return TCPStats{s.messages.Load(), s.writes.Load(), s.dropped.Load(), s.unsent.Load(), s.unknown.Load(), s.refused.Load()}
}

// chunkStream is the name of the connections that pieces of snapshots travel on.
const chunkStream = "raft-chunks"

// maxChunks may wait for one peer and each group: it asks for one after the other, and again for what is late.
const maxChunks = 2

// dial makes a connection and its handshake.
func (t *TCP) dial(ctx context.Context, address string, id consensus.NodeID, stream streamKey) (c net.Conn, version uint8, err error) {
	ctx, stop := context.WithTimeout(ctx, t.cfg.DialTimeout)
	defer stop()
	if c, err = t.cfg.Dial(ctx, address); err != nil {
		return nil, 0, err
	}
	raw := c
	deadline, _ := ctx.Deadline()
	if err = c.SetDeadline(deadline); err == nil {
		goesOn := context.AfterFunc(ctx, func() { _ = raw.Close() }) // whoever closes the transport does not wait for an answer
		if t.cfg.TLS != nil {
			cfg := t.tls()
			if cfg.ServerName == "" {
				cfg.ServerName, _, _ = net.SplitHostPort(address)
			}
			s := tls.Client(c, cfg)
			err, c = s.HandshakeContext(ctx), s
		}
		if err == nil {
			version, err = t.greet(c, id, stream)
		}
		if !goesOn() && err == nil {
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, 0, errors.Join(err, c.Close())
	}
	return c, version, nil
}

// tls is TLS for one connection.
func (t *TCP) tls() *tls.Config {
	cfg := t.cfg.TLS.Clone()
	if t.cfg.Trust != nil {
		cfg.RootCAs = t.cfg.Trust()
		cfg.ClientCAs = cfg.RootCAs
	}
	return cfg
}

// Close ends all connections and waits for their goroutines.
func (t *TCP) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.cancel()
	for c := range t.incoming {
		_ = c.Close() // ends its reader
	}
	t.mu.Unlock()
	err := t.cfg.Listener.Close()
	t.done.Wait()
	return err
}

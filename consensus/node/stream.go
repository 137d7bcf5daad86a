package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/lithair/lithair-go/consensus"
)

// Named streams are connections between nodes beside the one for Raft's messages, with the
// same handshake: what is large or slow, or not Raft at all, travels on them and stands in
// front of no heartbeat. To their users they are a net.Listener and net.Conns.

// Stream is a connection of a named stream, on the side that was dialled.
type Stream struct {
	net.Conn
	t    *TCP
	g    *Group // whose listener has accepted it
	raw  net.Conn
	from consensus.NodeID
	once sync.Once
	err  error
}

// From returns which node opened the stream. It knows the cluster and its secret; whether
// it is a member is for the user to find out.
func (s *Stream) From() consensus.NodeID { return s.from }

// Close ends the stream.
func (s *Stream) Close() error {
	s.once.Do(func() {
		s.t.mu.Lock()
		delete(s.t.incoming, s.raw)
		s.g.streams--
		s.t.mu.Unlock()
		s.err = s.Conn.Close()
	})
	return s.err
}

// streamListener hands out the streams of one name.
type streamListener struct {
	g      *Group
	name   string
	conns  chan *Stream
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener for the streams of a name, of 1 to 12 bytes, of this group. Names are
// given out once; Close gives one back. The streams it accepts are *[Stream].
func (g *Group) Listen(name string) (net.Listener, error) {
	if name == "" || len(name) > streamBytes {
		return nil, fmt.Errorf("node: a stream's name has 1 to %d bytes, not %q", streamBytes, name)
	}
	l := &streamListener{g: g, name: name, conns: make(chan *Stream), closed: make(chan struct{})}
	g.t.mu.Lock()
	defer g.t.mu.Unlock()
	if g.t.closed || g.left || g.listeners[name] != nil || name == chunkStream {
		return nil, fmt.Errorf("node: streams %q are listened for already, or the transport is closed", name)
	}
	g.listeners[name] = l
	return l, nil
}

// Listen is [Group.Listen] of group 0.
func (t *TCP) Listen(name string) (net.Listener, error) { return t.zero.Listen(name) }

func (t *TCP) listener(key streamKey) *streamListener {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listening(key)
}

// listening is listener, with t.mu held.
func (t *TCP) listening(key streamKey) *streamListener {
	if g := t.groups[key.group]; g != nil {
		return g.listeners[key.name]
	}
	return nil
}

// errStreams: there are as many streams as may be.
var errStreams = errors.New("node: too many streams are open")

// open hands a stream to its listener.
func (t *TCP) open(key streamKey, s *Stream) error {
	t.mu.Lock()
	l := t.listening(key)
	if l == nil || l.g.streams >= t.cfg.MaxStreams {
		t.mu.Unlock()
		return errStreams
	}
	s.g = l.g
	s.g.streams++
	t.mu.Unlock()
	select {
	case l.conns <- s:
		return nil
	case <-l.closed:
	case <-t.ctx.Done():
	}
	t.mu.Lock()
	s.g.streams--
	t.mu.Unlock()
	return net.ErrClosed
}

// Accept implements net.Listener.
func (l *streamListener) Accept() (net.Conn, error) {
	select {
	case s := <-l.conns:
		return s, nil
	case <-l.closed:
	case <-l.g.t.ctx.Done():
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener; streams that were accepted go on.
func (l *streamListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.g.t.mu.Lock()
		delete(l.g.listeners, l.name)
		l.g.t.mu.Unlock()
	})
	return nil
}

// Addr implements net.Listener.
func (l *streamListener) Addr() net.Addr { return l.g.t.cfg.Listener.Addr() }

// Errors of [Group.Dial], beside those of the network and of the handshake.
var ErrUnknownNode = errors.New("node: no address of that node is known")

// Dial opens a stream of that name to the same group of a member, which may be this node itself. ctx
// is for the connection and its handshake alone, which take TCPConfig.DialTimeout at most.
func (g *Group) Dial(ctx context.Context, to consensus.NodeID, name string) (net.Conn, error) {
	t := g.t
	if to == t.cfg.ID {
		return t.dialSelf(streamKey{name, g.number})
	}
	t.mu.Lock()
	o := g.peers[to]
	t.mu.Unlock()
	if o == nil {
		return nil, fmt.Errorf("%w: %d", ErrUnknownNode, to)
	}
	c, _, err := t.dial(ctx, o.address, to, streamKey{name, g.number})
	return c, err
}

// Dial is [Group.Dial] of group 0.
func (t *TCP) Dial(ctx context.Context, to consensus.NodeID, name string) (net.Conn, error) {
	return t.zero.Dial(ctx, to, name)
}

// dialSelf opens a stream that does not leave the process.
func (t *TCP) dialSelf(key streamKey) (net.Conn, error) {
	if t.listener(key) == nil {
		return nil, ErrWrongStream
	}
	near, far := net.Pipe()
	t.mu.Lock()
	t.incoming[far] = true // Close ends it, as all others
	t.mu.Unlock()
	if err := t.open(key, &Stream{Conn: far, t: t, raw: far, from: t.cfg.ID}); err != nil {
		t.forget(far)
		return nil, errors.Join(err, near.Close(), far.Close())
	}
	return near, nil
}

// DialAddress is Dial to whichever node of the cluster is at an address.
func (g *Group) DialAddress(ctx context.Context, address, name string) (net.Conn, error) {
	c, _, err := g.t.dial(ctx, address, 0, streamKey{name, g.number})
	if errors.Is(err, ErrWrongNode) { // anybody was meant, but this node itself
		err = fmt.Errorf("node: the other side has the number of this node, %d; each needs one of its own (%w)", g.t.cfg.ID, err)
	}
	return c, err
}

// DialAddress is [Group.DialAddress] of group 0.
func (t *TCP) DialAddress(ctx context.Context, address, name string) (net.Conn, error) {
	return t.zero.DialAddress(ctx, address, name)
}

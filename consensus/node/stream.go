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
		s.t.streams--
		s.t.mu.Unlock()
		s.err = s.Conn.Close()
	})
	return s.err
}

// streamListener hands out the streams of one name.
type streamListener struct {
	t      *TCP
	name   string
	conns  chan *Stream
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener for the streams of a name, of 1 to 16 bytes. Names are given
// out once; Close gives one back. The streams it accepts are *[Stream].
func (t *TCP) Listen(name string) (net.Listener, error) {
	if name == "" || len(name) > streamBytes {
		return nil, fmt.Errorf("node: a stream's name has 1 to %d bytes, not %q", streamBytes, name)
	}
	l := &streamListener{t: t, name: name, conns: make(chan *Stream), closed: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.listeners[name] != nil || name == chunkStream {
		return nil, fmt.Errorf("node: streams %q are listened for already, or the transport is closed", name)
	}
	t.listeners[name] = l
	return l, nil
}

func (t *TCP) listener(name string) *streamListener {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listeners[name]
}

// errStreams: there are as many streams as may be.
var errStreams = errors.New("node: too many streams are open")

// open hands a stream to its listener.
func (t *TCP) open(name string, s *Stream) error {
	t.mu.Lock()
	l := t.listeners[name]
	if l == nil || t.streams >= t.cfg.MaxStreams {
		t.mu.Unlock()
		return errStreams
	}
	t.streams++
	t.mu.Unlock()
	select {
	case l.conns <- s:
		return nil
	case <-l.closed:
	case <-t.ctx.Done():
	}
	t.mu.Lock()
	t.streams--
	t.mu.Unlock()
	return net.ErrClosed
}

// Accept implements net.Listener.
func (l *streamListener) Accept() (net.Conn, error) {
	select {
	case s := <-l.conns:
		return s, nil
	case <-l.closed:
	case <-l.t.ctx.Done():
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener; streams that were accepted go on.
func (l *streamListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.t.mu.Lock()
		delete(l.t.listeners, l.name)
		l.t.mu.Unlock()
	})
	return nil
}

// Addr implements net.Listener.
func (l *streamListener) Addr() net.Addr { return l.t.cfg.Listener.Addr() }

// Errors of [TCP.Dial], beside those of the network and of the handshake.
var ErrUnknownNode = errors.New("node: no address of that node is known")

// Dial opens a stream of that name to a member, which may be this node itself. ctx is for
// the connection and its handshake alone, which take TCPConfig.DialTimeout at most.
func (t *TCP) Dial(ctx context.Context, to consensus.NodeID, name string) (net.Conn, error) {
	if to == t.cfg.ID {
		return t.dialSelf(name)
	}
	t.mu.Lock()
	o := t.peers[to]
	t.mu.Unlock()
	if o == nil {
		return nil, fmt.Errorf("%w: %d", ErrUnknownNode, to)
	}
	return t.dial(ctx, o.address, to, name)
}

// dialSelf opens a stream that does not leave the process.
func (t *TCP) dialSelf(name string) (net.Conn, error) {
	if t.listener(name) == nil {
		return nil, ErrWrongStream
	}
	near, far := net.Pipe()
	t.mu.Lock()
	t.incoming[far] = true // Close ends it, as all others
	t.mu.Unlock()
	if err := t.open(name, &Stream{Conn: far, t: t, raw: far, from: t.cfg.ID}); err != nil {
		t.forget(far)
		return nil, errors.Join(err, near.Close(), far.Close())
	}
	return near, nil
}

// DialAddress is Dial to whichever node of the cluster is at an address.
func (t *TCP) DialAddress(ctx context.Context, address, name string) (net.Conn, error) {
	return t.dial(ctx, address, 0, name)
}

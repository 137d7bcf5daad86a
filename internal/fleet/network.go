package fleet

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// Network stands between nodes: each is reached through a proxy, which reads in the hello of a
// connection who has dialled. Nodes are numbered from 0 here.
type Network struct {
	t    T
	done sync.WaitGroup

	mu        sync.Mutex
	changed   chan struct{} // closed when ways change
	ways      map[[2]int]Way
	conns     map[*link]bool
	listeners []net.Listener
	closed    bool
}

// Way is what becomes of bytes from one node to another; the zero Way is a good one.
type Way struct {
	Cut   bool          // connections break, and are not made
	Held  bool          // bytes are held back, and come when it is over
	Delay time.Duration // of each piece
}

// link is one connection between two nodes.
type link struct {
	from, to  int // from has dialled
	near, far net.Conn
	mu        sync.Mutex
	half      bool // the far side is gone, and the near one is not told
}

// helloID is where in the hello the number of the node that dials is.
const helloID = 18

// NewNetwork returns one for the Options of a Fleet.
func NewNetwork(t T) *Network {
	n := &Network{t: t, changed: make(chan struct{}), ways: map[[2]int]Way{}, conns: map[*link]bool{}}
	t.Cleanup(n.close)
	return n
}

// through is given where each node listens and returns where others find it.
func (n *Network) through(real []string) (public []string) {
	for i, at := range real {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			n.t.Fatalf("%v", err)
		}
		n.listeners = append(n.listeners, l)
		public = append(public, l.Addr().String())
		n.done.Add(1)
		go n.accept(l, i, at)
	}
	return public
}

func (n *Network) accept(l net.Listener, to int, at string) {
	defer n.done.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		n.done.Add(1)
		go n.serve(c, to, at)
	}
}

// serve finds out who dials, and connects him.
func (n *Network) serve(near net.Conn, to int, at string) {
	defer n.done.Done()
	defer near.Close()
	head := make([]byte, helloID+8)
	if near.SetReadDeadline(time.Now().Add(5*time.Second)) != nil {
		return
	}
	if _, err := io.ReadFull(near, head); err != nil || near.SetReadDeadline(time.Time{}) != nil {
		return
	}
	from := int(binary.LittleEndian.Uint64(head[helloID:])) - 1
	far, err := net.Dial("tcp", at)
	if err != nil {
		return
	}
	defer far.Close()
	l := &link{from: from, to: to, near: near, far: far}
	if !n.enter(l) {
		return
	}
	defer n.leave(l)
	if !n.pass(from, to) {
		return
	}
	if _, err := far.Write(head); err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		n.pump(l, far, near, to, from)
		if !l.isHalf() {
			near.Close()
		}
	}()
	n.pump(l, near, far, from, to)
	far.Close()
	near.Close()
	<-back
}

func (l *link) isHalf() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.half
}

func (n *Network) enter(l *link) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.ways[[2]int{l.from, l.to}].Cut || n.ways[[2]int{l.to, l.from}].Cut {
		return false
	}
	n.conns[l] = true
	return true
}

func (n *Network) leave(l *link) {
	n.mu.Lock()
	delete(n.conns, l)
	n.mu.Unlock()
}

// pump carries bytes from one side to the other as the way from a to b is. Of a half-open link it
// swallows them.
func (n *Network) pump(l *link, src, dst net.Conn, a, b int) {
	buf := make([]byte, 64<<10)
	for {
		k, err := src.Read(buf)
		if k > 0 && !l.isHalf() {
			if !n.pass(a, b) {
				return
			}
			if _, err := dst.Write(buf[:k]); err != nil && !l.isHalf() {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits until bytes may pass from a to b; false when the network is closed.
func (n *Network) pass(a, b int) bool {
	for {
		n.mu.Lock()
		w, changed, closed := n.ways[[2]int{a, b}], n.changed, n.closed
		n.mu.Unlock()
		switch {
		case closed:
			return false
		case w.Held:
			<-changed
		default:
			time.Sleep(w.Delay)
			return true
		}
	}
}

// Set makes ways so, from each of one list to each of the other.
func (n *Network) Set(w Way, from, to []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range from {
		for _, b := range to {
			if a != b {
				n.ways[[2]int{a, b}] = w
			}
		}
	}
	n.wake()
}

// wake is called with the lock held.
func (n *Network) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
	for l := range n.conns {
		if n.closed || n.ways[[2]int{l.from, l.to}].Cut || n.ways[[2]int{l.to, l.from}].Cut {
			for _, c := range []net.Conn{l.near, l.far} {
				if t, ok := c.(*net.TCPConn); ok {
					_ = t.SetLinger(0) // a reset; a connection that has ended already has none
				}
				_ = c.Close()
			}
		}
	}
}

// HalfOpen takes the far side of all connections that a node has dialled away, and does not tell it.
func (n *Network) HalfOpen(from int) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for l := range n.conns {
		if l.from != from {
			continue
		}
		l.mu.Lock()
		l.half = true
		l.mu.Unlock()
		_ = l.far.Close() // its end is the point
		count++
	}
	return count
}

// Heal makes all ways good, and ends half-open links.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.ways)
	n.wake()
	for l := range n.conns {
		if l.isHalf() {
			_ = l.near.Close() // at last
		}
	}
}

func (n *Network) close() {
	n.mu.Lock()
	n.closed = true
	n.wake()
	n.mu.Unlock()
	for _, l := range n.listeners {
		if err := l.Close(); err != nil {
			n.t.Errorf("%v", err)
		}
	}
	n.done.Wait()
}

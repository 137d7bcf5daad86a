//go:build !386 && !s390x

package wire

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// parker waits for any number of sockets at once, on an epoll instance of its own. A
// parked socket costs a slot here and no goroutine. The instance itself is waited for as
// package net waits for sockets, so it blocks no thread. It is opened when first needed;
// once retired, it is closed as soon as nothing is parked.
//
// Sockets stay owned by package net: they are registered by the descriptor's number
// while that is known to be valid, for one event at a time, and closing them ends the
// registration. An event names the slot and its generation, so that one that comes late
// (the socket was closed, its number is another's by now) meets a newer generation and
// is dropped.
type parker struct {
	mu      sync.Mutex
	cur     *epoll // nil while nothing was parked
	blocks  []*slotBlock
	free    uint32 // the first slot without a sleeper, counted from 1; 0: none
	parked  int    // slots with one
	retired bool
}

// slotBlock is how many slots are made at a time: they stay where they are, so that more
// of them leave nothing behind.
type slotBlock [1 << slotBits]parkSlot

const slotBits = 8

type parkSlot struct {
	sleeper Sleeper // nil: free
	gen     uint32
	next    uint32 // of the free slots, as in parker.free
}

// ticket names what was parked, once. The zero ticket names nothing.
type ticket struct{ slot, gen uint32 }

// Events that a socket can be parked for. Both are one-shot.
const (
	parkRead = syscall.EPOLLIN | syscall.EPOLLRDHUP | epollOneShot // bytes or the end can be read
	parkGone = syscall.EPOLLRDHUP | epollOneShot                   // the peer has ended its stream

	epollOneShot = 1 << 30
)

// reserve gives a sleeper a slot.
func (p *parker) reserve(s Sleeper) (ticket, error) { return p.reserveIn(new(ticket), s) }

// reserveIn is reserve for who keeps the ticket where others find it, to cancel it. The one
// that is there must be void: else somebody is parked under it.
func (p *parker) reserveIn(at *ticket, s Sleeper) (ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds(*at) {
		return ticket{}, errParked
	}
	if p.cur == nil {
		e, err := p.open()
		if err != nil {
			return ticket{}, err
		}
		p.cur = e
	}
	if p.free == 0 {
		p.grow()
	}
	i := p.free - 1
	slot := p.slot(i)
	p.free = slot.next
	p.parked++
	slot.gen++
	slot.sleeper = s
	*at = ticket{i, slot.gen}
	return *at, nil
}

var errParked = errors.New("wire: the connection is parked")

func (p *parker) slot(i uint32) *parkSlot { return &p.blocks[i>>slotBits][i&(1<<slotBits-1)] }

// grow makes a block of free slots.
func (p *parker) grow() {
	b := new(slotBlock)
	first := uint32(len(p.blocks)) << slotBits
	for i := range b {
		b[i].next = p.free
		p.free = first + uint32(i) + 1
	}
	p.blocks = append(p.blocks, b)
}

// holds says whether somebody is parked under a ticket. mu is held.
func (p *parker) holds(t ticket) bool {
	if int(t.slot>>slotBits) >= len(p.blocks) {
		return false
	}
	slot := p.slot(t.slot)
	return slot.gen == t.gen && slot.sleeper != nil
}

// arm has the sleeper of a ticket woken by a socket's event.
func (p *parker) arm(raw syscall.RawConn, t ticket, events uint32) error {
	p.mu.Lock()
	e := p.cur
	p.mu.Unlock()
	if e == nil {
		return os.ErrClosed // the ticket was cancelled, too
	}
	a := armings.Get().(*arming)
	defer armings.Put(a)
	a.epoll, a.event = e.fd, syscall.EpollEvent{Events: events, Fd: int32(t.slot), Pad: int32(t.gen)}
	if err := raw.Control(a.do); err != nil {
		return err
	}
	return a.err
}

// arming registers a socket with an epoll instance. It is used again: what RawConn.Control
// is given would have to be allocated each time.
type arming struct {
	epoll int
	event syscall.EpollEvent
	err   error
	do    func(fd uintptr) // register, made once
}

var armings = sync.Pool{New: func() any {
	a := new(arming)
	a.do = a.register
	return a
}}

// register leaves it to the kernel to know whether the socket was registered before: the
// descriptor may be new, or the instance.
func (a *arming) register(fd uintptr) {
	a.err = syscall.EpollCtl(a.epoll, syscall.EPOLL_CTL_MOD, int(fd), &a.event)
	if a.err == syscall.ENOENT {
		a.err = syscall.EpollCtl(a.epoll, syscall.EPOLL_CTL_ADD, int(fd), &a.event)
	}
}

// cancel takes a ticket back; false: its sleeper has been woken, or it was cancelled.
// After true, the sleeper will not be woken.
func (p *parker) cancel(t ticket) bool { return p.cancelIn(&t) != nil }

// cancelIn is cancel for a ticket that reserveIn has set. It returns the sleeper.
func (p *parker) cancelIn(at *ticket) Sleeper {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(*at)
}

// take empties a ticket's slot and returns its sleeper; nil when the ticket is void.
func (p *parker) take(t ticket) Sleeper {
	if !p.holds(t) {
		return nil
	}
	slot := p.slot(t.slot)
	s := slot.sleeper
	slot.sleeper, slot.next = nil, p.free
	p.free = t.slot + 1
	p.parked--
	p.closeUnused()
	return s
}

// retire closes the instance as soon as nothing is parked, and waits for its goroutine
// where that is at once.
func (p *parker) retire() {
	p.mu.Lock()
	p.retired = true
	e := p.cur
	ended := p.closeUnused()
	p.mu.Unlock()
	if ended {
		<-e.done
	}
}

func (p *parker) closeUnused() bool {
	if !p.retired || p.cur == nil || p.parked > 0 {
		return false
	}
	p.cur.file.SetReadDeadline(longAgo) // wakes its goroutine, which then closes it
	p.cur = nil
	return true
}

// epoll is an epoll instance with the goroutine that waits for it.
type epoll struct {
	file   *os.File
	fd     int           // valid while file is open
	done   chan struct{} // closed when the goroutine has ended
	events [128]syscall.EpollEvent
	woken  []Sleeper
}

func (p *parker) open() (*epoll, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // only such a file is waited for without a thread
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	e := &epoll{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, done: make(chan struct{})}
	raw, err := e.file.SyscallConn()
	if err != nil {
		e.file.Close()
		return nil, err
	}
	go func() {
		defer close(e.done)
		defer e.file.Close()
		raw.Read(func(uintptr) bool { return p.collect(e) }) // ends by closeUnused's deadline
	}()
	return e, nil
}

// collect wakes those whose events have come; false: wait for more.
func (p *parker) collect(e *epoll) bool {
	for {
		n, err := syscall.EpollWait(e.fd, e.events[:], 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			panic("wire: epoll_wait: " + err.Error()) // the descriptor is open and ours
		}
		e.woken = e.woken[:0]
		p.mu.Lock()
		for _, ev := range e.events[:n] {
			if s := p.take(ticket{uint32(ev.Fd), uint32(ev.Pad)}); s != nil {
				e.woken = append(e.woken, s)
			}
		}
		p.mu.Unlock()
		for _, s := range e.woken {
			go s.Awake()
		}
		clear(e.woken)
		if n < len(e.events) {
			return false
		}
	}
}

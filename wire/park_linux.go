//go:build !386 && !s390x

package wire

import (
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
	slots   []parkSlot
	free    []uint32 // slots without a sleeper
	retired bool
}

type parkSlot struct {
	gen     uint32
	sleeper sleeper // nil: free
}

// sleeper is who is parked. Its awake is called in a goroutine of its own.
type sleeper interface{ awake() }

// ticket names what was parked, once. The zero ticket names nothing.
type ticket struct{ slot, gen uint32 }

// Events that a socket can be parked for. Both are one-shot.
const (
	parkRead = syscall.EPOLLIN | syscall.EPOLLRDHUP | epollOneShot // bytes or the end can be read
	parkGone = syscall.EPOLLRDHUP | epollOneShot                   // the peer has ended its stream

	epollOneShot = 1 << 30
)

// reserve gives a sleeper a slot.
func (p *parker) reserve(s sleeper) (ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cur == nil {
		e, err := p.open()
		if err != nil {
			return ticket{}, err
		}
		p.cur = e
	}
	if len(p.free) == 0 {
		p.slots = append(p.slots, parkSlot{})
		p.free = append(p.free, uint32(len(p.slots)-1))
	}
	i := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	slot := &p.slots[i]
	slot.gen++
	slot.sleeper = s
	return ticket{i, slot.gen}, nil
}

// arm has the sleeper of a ticket woken by a socket's event.
func (p *parker) arm(raw syscall.RawConn, t ticket, events uint32) error {
	p.mu.Lock()
	e := p.cur
	p.mu.Unlock()
	if e == nil {
		return os.ErrClosed // the ticket was cancelled, too
	}
	ev := syscall.EpollEvent{Events: events, Fd: int32(t.slot), Pad: int32(t.gen)}
	var ctl error
	err := raw.Control(func(fd uintptr) {
		// Whether it was registered before is for the kernel to know: the descriptor may
		// be new, or the instance.
		if ctl = e.ctl(syscall.EPOLL_CTL_MOD, fd, &ev); ctl == syscall.ENOENT {
			ctl = e.ctl(syscall.EPOLL_CTL_ADD, fd, &ev)
		}
	})
	if err != nil {
		return err
	}
	return ctl
}

// cancel takes a ticket back; false: its sleeper has been woken, or it was cancelled.
// After true, the sleeper will not be woken.
func (p *parker) cancel(t ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(t) != nil
}

// take empties a ticket's slot and returns its sleeper; nil when the ticket is void.
func (p *parker) take(t ticket) sleeper {
	if int(t.slot) >= len(p.slots) || p.slots[t.slot].gen != t.gen {
		return nil
	}
	slot := &p.slots[t.slot]
	s := slot.sleeper
	if slot.sleeper = nil; s != nil {
		p.free = append(p.free, t.slot)
		p.closeUnused()
	}
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
	if !p.retired || p.cur == nil || len(p.free) < len(p.slots) {
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
	woken  []sleeper
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

func (e *epoll) ctl(op int, fd uintptr, ev *syscall.EpollEvent) error {
	return syscall.EpollCtl(e.fd, op, int(fd), ev)
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
			go s.awake()
		}
		clear(e.woken)
		if n < len(e.events) {
			return false
		}
	}
}

package wire

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// link is what a server keeps of a connection for as long as that is open: a few words.
// Buffers, request and response belong to the conn, which exists only while there is
// something to do.
type link struct {
	srv   *Server
	nc    net.Conn
	raw   syscall.RawConn // of a socket that is read inside RawConn.Read; nil for others
	index int             // in srv.links; under srv.mu

	phase atomic.Uint32 // turns<<phaseBits | phase; only its owner stores, others swap Idle for Interrupted

	mu  sync.Mutex // held while an interrupt is under way
	why cause      // of the interrupt; under mu

	kept // where the server's keeper has it

	// What handlers are given, for as long as the connection is open: a handler that keeps
	// them can see no stranger's. Its owner points them to its working set, or away.
	request  Request
	response Response
}

// The phases of a connection. A connection is owned by its goroutine, except while it is
// parked and has none.
const (
	phaseIdle        uint32 = iota // waits for the first byte of a request; may be interrupted
	phaseActive                    // a request is being received or handled
	phaseInterrupted               // was idle; its read deadline has been set to the past
	phaseParked                    // waits without a goroutine
	phaseClosed                    // ended or handed over

	phaseBits = 3
	phaseMask = 1<<phaseBits - 1
)

// cause says why an idle connection is interrupted.
type cause uint8

const (
	causeNone  cause = iota
	causeRest        // it is quiet: let go of what it holds
	causeIdle        // IdleTimeout is over
	causeClose       // the server shuts down
)

// longAgo is a deadline that is over.
var longAgo = time.Unix(1, 0)

func (l *link) is(phase uint32) bool { return l.phase.Load()&phaseMask == phase }

func (l *link) enter(phase uint32) { l.phase.Store(l.phase.Load()&^phaseMask | phase) }

// idle is called by the owner before it waits for a request. false: the server is
// closing, and there is nothing to wait for.
func (l *link) idle() bool {
	l.enter(phaseIdle)
	if !l.srv.closing.Load() { // looked at behind the store: Shutdown does it the other way round
		return true
	}
	if l.grace() == 0 {
		return false
	}
	l.interrupt(causeClose)
	return true
}

// freshGrace is how long a closing server waits for the first request of a connection.
const freshGrace = time.Second

// grace is how long a closing server waits for a request on an idle connection.
func (l *link) grace() time.Duration {
	g := l.srv.cfg.ShutdownGrace
	if l.phase.Load()>>phaseBits == 0 { // never busy
		return max(g, freshGrace)
	}
	return g
}

// busy is called by the owner when the first bytes of a request are there. An interrupt
// that is under way comes too late and is undone.
func (l *link) busy() {
	w := l.phase.Load()
	if w&phaseMask == phaseIdle && l.phase.CompareAndSwap(w, (w|phaseMask)+1|phaseActive) {
		return
	}
	l.mu.Lock()
	l.why = causeNone
	l.clearReadDeadline()
	l.phase.Store((l.phase.Load() | phaseMask) + 1 | phaseActive)
	l.mu.Unlock()
	l.srv.keeper.add(l)
}

// interrupt wakes an idle connection, and says whether it was idle; when the server
// closes, after the grace. Safe for concurrent use.
func (l *link) interrupt(why cause) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.phase.Load()
	if w&phaseMask != phaseIdle || !l.phase.CompareAndSwap(w, w|phaseInterrupted) {
		return false
	}
	l.why = why
	at := longAgo
	if g := l.grace(); why == causeClose && g > 0 {
		at = time.Now().Add(g)
	}
	l.nc.SetReadDeadline(at) // fails only on a closed connection, whose reader is awake anyway
	return true
}

// interrupted returns why the owner's wait ended with a deadline, and undoes that.
func (l *link) interrupted() cause {
	l.mu.Lock()
	defer l.mu.Unlock()
	why := l.why
	l.why = causeNone
	l.clearReadDeadline()
	return why
}

// clearReadDeadline can fail only on a closed connection; the next read will say so.
func (l *link) clearReadDeadline() { l.nc.SetReadDeadline(time.Time{}) }

// park lets go of the connection's goroutine until there is something to read. false:
// the connection is still the caller's.
func (l *link) park() bool {
	s := l.srv
	t, err := s.parker.reserve(l)
	if err != nil {
		s.log.Warn("connections cannot be parked", "error", err)
		return false
	}
	l.enter(phaseParked)
	s.keeper.rest(l, t)
	if err := s.parker.arm(l.raw, t, parkRead); err != nil {
		return !s.parker.cancel(t)
	}
	// Shutdown may have looked for parked connections before this one was to be seen
	return !s.closing.Load() || !s.parker.cancel(t)
}

// Awake goes on with a parked connection that can be read.
func (l *link) Awake() {
	l.srv.keeper.add(l)
	l.serve()
}

// unpark ends a connection that is parked under a ticket, and says whether it was.
func (l *link) unpark(t ticket) bool {
	if !l.srv.parker.cancel(t) {
		return false
	}
	l.finish()
	return true
}

// dismiss ends a parked connection because the server closes or, where it has a grace,
// lets it wait for that long with a goroutine.
func (l *link) dismiss(t ticket) {
	if l.grace() == 0 {
		l.unpark(t)
	} else if l.srv.parker.cancel(t) {
		go l.Awake()
	}
}

// expire ends a connection whose idle time is over.
func (l *link) expire(t ticket) {
	if t == (ticket{}) || !l.unpark(t) {
		l.interrupt(causeIdle)
	}
}

// finish is the end of a connection that is still the server's.
func (l *link) finish() {
	l.srv.forget(l)
	l.nc.Close() // nothing is left to be said about it
}

// halves is what TCP and Unix sockets have and pipes and TLS have not.
type halves interface {
	CloseRead() error
	CloseWrite() error
}

// abort ends the connection by force. A socket is shut down, which wakes whoever reads
// or writes; its owner closes it then. Closing it from here would wait for a handler
// that runs inside RawConn.Read. Errors are of no interest: it is gone already.
func (l *link) abort() {
	if h, ok := l.nc.(halves); ok {
		h.CloseRead()
		h.CloseWrite()
		return
	}
	l.nc.Close()
}

package node

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

func (t *TCP) accept() {
	defer t.done.Done()
	pause := minAcceptPause
	for {
		c, err := t.cfg.Listener.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
		case t.ctx.Err() != nil:
			return
		case !passes(err):
			t.cfg.Logger.Error("peers cannot connect any more", "error", err)
			return
		default:
			if pause == minAcceptPause {
				t.cfg.Logger.Warn("a peer's connection could not be taken", "error", err)
			}
			select {
			case <-time.After(pause):
			case <-t.ctx.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			_ = c.Close()
			continue
		}
		if len(t.strangers) >= t.cfg.MaxStrangers {
			// Peers are quick; who is not may be somebody who keeps all places taken. Its goroutine ends, too.
			_ = t.strangers[0].Close()
			t.strangers = slices.Delete(t.strangers, 0, 1)
		}
		t.strangers = append(t.strangers, c)
		t.incoming[c] = true
		t.done.Add(1)
		t.mu.Unlock()
		go t.serve(c)
	}
}

// minAcceptPause is the first pause behind a connection that could not be taken; each further one doubles it, up to a second.
const minAcceptPause = 5 * time.Millisecond

// passes says that an error of Accept may pass: no descriptors are left, or the connection was gone again.
func passes(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

// serve does the handshake of a connection, then reads it, or hands it to whom the stream
// is for.
func (t *TCP) serve(raw net.Conn) {
	defer t.done.Done()
	c := raw
	err := c.SetDeadline(time.Now().Add(t.cfg.DialTimeout))
	if err == nil && t.cfg.TLS != nil {
		s := tls.Server(c, t.tls())
		err, c = s.HandshakeContext(t.ctx), s
	}
	var from consensus.NodeID
	var stream streamKey
	var version uint8
	if err == nil {
		from, stream, version, err = t.welcome(c)
	}
	t.mu.Lock()
	t.strangers = slices.DeleteFunc(t.strangers, func(x net.Conn) bool { return x == raw })
	t.mu.Unlock()
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err == nil && stream.name != "" && stream.name != chunkStream {
		if err = t.open(stream, &Stream{Conn: c, t: t, raw: raw, from: from}); err == nil {
			return // it is its owner's now
		}
	}
	if err == nil {
		err = t.read(c, newAcks(raw), from, version)
	}
	if t.ctx.Err() == nil && !errors.Is(err, io.EOF) && t.tells(from, err) {
		t.cfg.Logger.Warn("a peer's connection ended", "peer", uint64(from), "remote", raw.RemoteAddr().String(), "error", err)
	}
	t.forget(raw)
	_ = raw.Close() // read to its end, or broken
}

// tells says whether the end of a connection of another node is to be told.
func (t *TCP) tells(from consensus.NodeID, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ends.add(from, err, time.Now())
}

func (t *TCP) forget(raw net.Conn) {
	t.mu.Lock()
	delete(t.incoming, raw)
	t.mu.Unlock()
}

// read hands over the messages of a connection, those that came together at once.
func (t *TCP) read(c net.Conn, a *acks, from consensus.NodeID, version uint8) error {
	in := &incoming{t: t, c: c, acks: a, from: from, version: version, br: bufio.NewReaderSize(c, 64<<10), ended: make(chan error, 1), refused: map[uint64]time.Time{}}
	t.mu.Lock()
	in.relieve() // the watch looks at turns
	t.reading[in] = true
	t.mu.Unlock()
	err := <-in.ended
	t.mu.Lock()
	delete(t.reading, in)
	t.mu.Unlock()
	return err
}

// incoming is a connection that is read. What is received may be waited for, when a disk is slow:
// then another goroutine goes on reading, since nobody would hear heartbeats otherwise.
type incoming struct {
	t       *TCP
	c       net.Conn
	acks    *acks
	from    consensus.NodeID
	version uint8
	br      *bufio.Reader
	turn    atomic.Pointer[turn] // of who reads
	ended   chan error

	mu      sync.Mutex
	refused map[uint64]time.Time // groups, and when
}

// turn is a goroutine's time of reading.
type turn struct {
	gives atomic.Bool   // it hands over messages; whoever unsets it reads on
	since atomic.Uint64 // the watch's rounds when it began to
}

// relieve has another goroutine read.
func (in *incoming) relieve() {
	x := new(turn)
	in.turn.Store(x)
	in.t.done.Add(1)
	go func() {
		defer in.t.done.Done()
		if err := in.read(x); err != nil {
			in.ended <- err
		}
	}()
}

// read returns why the connection ends, or nil when another goroutine reads it.
func (in *incoming) read(x *turn) error {
	var list []consensus.Message
	for delayed := ^uint64(0); ; {
		if now := in.t.rounds.Load(); now != delayed {
			in.acks.delay()
			delayed = now
		}
		m, err := in.t.readFrame(in.br)
		if err != nil {
			return err
		}
		if m.From != in.from {
			return fmt.Errorf("%w: a message of node %d on the connection of node %d", ErrWrongNode, m.From, in.from)
		}
		if list = append(list, m); in.br.Buffered() >= 8 && len(list) < 64 {
			continue
		}
		x.since.Store(in.t.rounds.Load())
		x.gives.Store(true)
		unknown := in.t.served.Receive(list...)
		if len(unknown) > 0 {
			if err := in.refuse(unknown); err != nil && x.gives.CompareAndSwap(true, false) {
				return err
			}
		}
		if !x.gives.CompareAndSwap(true, false) {
			return nil
		}
		clear(list)
		list = list[:0]
	}
}

// watchEvery is how often connections are looked at whose reader waits.
const watchEvery = 50 * time.Millisecond

// watch has connections read by others whose readers wait for something.
func (t *TCP) watch() {
	defer t.done.Done()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-tick.C:
		}
		t.look()
	}
}

func (t *TCP) look() {
	now := t.rounds.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	for in := range t.reading {
		if x := in.turn.Load(); x.gives.Load() && x.since.Load()+1 < now && x.gives.CompareAndSwap(true, false) {
			in.relieve()
		}
	}
	for _, g := range t.groups {
		g.in.relieve(now)
	}
}

func (t *TCP) readFrame(r io.Reader) (m consensus.Message, err error) {
	b, err := readSealed(r, t.cfg.MaxFrameBytes) // the message keeps it
	if err != nil {
		return m, err
	}
	return consensus.ParseMessage(b)
}

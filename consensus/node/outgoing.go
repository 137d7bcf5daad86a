package node

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// outgoing is what waits for one peer.
type outgoing struct {
	t *TCP
	place
	stream string    // "" for all messages but pieces of snapshots
	chunks *outgoing // for those
	wake   chan struct{}
	stop   context.CancelFunc
	groups int // that use it; t.mu guards it

	mu      sync.Mutex
	version uint8 // that the peer speaks
	queue   []consensus.Message
	bytes   int
	dropped int
	now     nowWriter // of the connection, if it can be written to without waiting
	left    []byte    // frames, or the rest of one, that the connection had no room for
	writing bool      // the peer's goroutine writes: the rest waits for its turn
}

func sizeOf(m *consensus.Message) int {
	n := 128 + len(m.Data)
	for i := range m.Entries {
		n += 32 + len(m.Entries[i].Data)
	}
	return n
}

// maxNowBytes of messages are written by who sends them; more would keep it for too long.
const maxNowBytes = 256 << 10

func (o *outgoing) put(list []consensus.Message) {
	total := 0
	for i := range list {
		total += sizeOf(&list[i])
	}
	groups := o.t.served.Len()
	o.mu.Lock()
	if o.now != nil && !o.writing && len(o.queue) == 0 && len(o.left) == 0 && total <= maxNowBytes && (groups < 2 || brings(list)) {
		o.writeNow(list)
		waits := len(o.left) > 0
		o.mu.Unlock()
		if waits {
			o.rouse()
		}
		return
	}
	for i := range list {
		n := sizeOf(&list[i])
		room := o.t.cfg.MaxQueueBytes
		if len(list[i].Entries) == 0 {
			room += reservedBytes // what a group floods the queue with costs no other its heartbeats
		}
		if o.bytes+n > room && len(o.queue) > 0 || o.stream != "" && len(o.queue) >= maxChunks*groups {
			o.dropped++ // the protocol sends again what matters
			continue
		}
		o.queue, o.bytes = append(o.queue, list[i]), o.bytes+n
	}
	o.mu.Unlock()
	o.rouse()
}

// reservedBytes of a queue are for messages without entries.
const reservedBytes = 1 << 20

// brings says whether there are entries in messages. Those without, mostly heartbeats and answers to
// them, are left to the peer's goroutine where there are several groups: it writes together what
// they have to say.
func brings(list []consensus.Message) bool {
	for i := range list {
		if len(list[i].Entries) > 0 {
			return true
		}
	}
	return false
}

// encode appends messages; those of groups that the peer cannot know are left out.
func (o *outgoing) encode(b []byte, list []consensus.Message, version uint8) []byte {
	sent := uint64(0)
	for i := range list {
		if list[i].Group != 0 && version < groupsVersion {
			o.t.stats.unsent.Add(1)
			continue
		}
		b = appendFrame(b, &list[i])
		sent++
	}
	o.t.stats.messages.Add(sent)
	return b
}

// writeNow writes what the connection has room for. What went wrong, if something did, the
// peer's goroutine learns when it writes the rest. o.mu is held.
func (o *outgoing) writeNow(list []consensus.Message) {
	b := o.encode(o.left[:0], list, o.version)
	o.t.stats.writes.Add(1)
	n := o.now.writeNow(b)
	o.left = b[:copy(b, b[n:])]
}

func (o *outgoing) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns what is to be written, behind b; nothing when all is. Until then nobody else
// writes.
func (o *outgoing) take(b []byte) (frames []byte, dropped int) {
	o.mu.Lock()
	b = append(b, o.left...)
	list := o.queue
	dropped = o.dropped
	o.queue, o.bytes, o.dropped, o.left = nil, 0, 0, o.left[:0]
	o.writing = len(b) > 0 || len(list) > 0
	version := o.version
	o.mu.Unlock()
	return o.encode(b, list, version), dropped
}

// connected says how the connection is written to; nil when there is none, and what waited is
// old by the time there is another.
func (o *outgoing) connected(now nowWriter, version uint8) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now, o.version, o.writing = now, version, false
	if now == nil {
		o.queue, o.bytes, o.dropped, o.left = nil, 0, 0, nil
	}
}

// nowWriter writes without waiting. writeNow returns how many bytes were taken: fewer than all
// when there is no room for more, or the connection is broken.
type nowWriter interface{ writeNow(b []byte) int }

// run keeps a connection to the peer and writes to it.
func (o *outgoing) run(ctx context.Context) {
	defer o.t.done.Done()
	log := o.t.cfg.Logger.With("peer", uint64(o.id), "address", o.address)
	told, had := causes{}, false
	pace := pace{after: o.t.cfg.RetryAfter}
	for ctx.Err() == nil {
		if o.stream != "" && !o.awaited(ctx) {
			return
		}
		c, version, err := o.t.dial(ctx, o.address, o.id, streamKey{name: o.stream})
		if err == nil {
			told, had = causes{}, true
			pace.connected()
			if o.stream == "" {
				log.Info("peer connected", "version", version)
			}
			err = o.write(ctx, c, version)
			if cerr := c.Close(); err == nil {
				err = cerr
			}
		}
		if ctx.Err() != nil {
			return
		}
		if had && o.stream == "" && refused(err) {
			o.t.lost(o) // its connection broke, and nobody listens where it did
			had = false
		}
		if err != nil && told.add(err) {
			log.Warn("peer cannot be reached", "error", err)
		}
		o.connected(nil, 0)
		select {
		case <-ctx.Done():
		case <-time.After(pace.next()):
		}
	}
}

// awaited waits until there is something to send, and leaves it there; false when it never will
// be.
func (o *outgoing) awaited(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-o.wake:
		select {
		case o.wake <- struct{}{}:
		default: // somebody has put another meanwhile
		}
		return true
	}
}

// write sends what waits, all at once. An end of the connection is noticed at once.
func (o *outgoing) write(ctx context.Context, c net.Conn, version uint8) error {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // a peer that does not read keeps nobody from closing
	ended := make(chan error, 1)
	go func() { ended <- o.heed(c, version) }()
	o.connected(newNowWriter(c), version)
	o.rouse() // for what came meanwhile
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-o.wake:
		}
		if err := o.writeAll(c); err != nil {
			return err
		}
	}
}

// writeAll writes until nothing waits.
func (o *outgoing) writeAll(c net.Conn) error {
	var b []byte
	for {
		if o.t.served.Len() > 1 {
			runtime.Gosched() // other groups that have just ticked, or heard, have something to say as well
		}
		var dropped int
		if b, dropped = o.take(b[:0]); dropped > 0 {
			o.t.stats.dropped.Add(uint64(dropped))
			o.t.cfg.Logger.Warn("messages dropped: the peer does not keep up", "peer", uint64(o.id), "messages", dropped)
		}
		if len(b) == 0 {
			return nil
		}
		if err := c.SetWriteDeadline(time.Now().Add(o.t.cfg.WriteTimeout)); err != nil {
			return err
		}
		o.t.stats.writes.Add(1)
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
}

func appendFrame(b []byte, m *consensus.Message) []byte {
	at := len(b)
	return seal(consensus.AppendMessage(append(b, 0, 0, 0, 0, 0, 0, 0, 0), m), at)
}

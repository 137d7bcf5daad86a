package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
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

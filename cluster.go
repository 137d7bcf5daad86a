package lithair

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// cluster is this node's part in a cluster.
type cluster struct {
	cfg     *clusterConfig
	tcp     *node.TCP
	node    *node.Node
	client  *wire.Client // speaks HTTP with other nodes, on streams
	server  *wire.Server // answers them
	serving chan error
	contact contact
	runs    atomic.Bool   // node is set
	changes atomic.Uint64 // of the leader, as far as seen
	joined  atomic.Bool   // nobody has to be asked to take this node in
	removed atomic.Bool   // the leader says that it is no member any more
	stop    context.CancelFunc
	tended  chan struct{} // closed when tend has ended
	engine  *engine.Engine

	fetches   fetches
	soundings soundings
	figures   *statusCache
	figured   acquaintances // members that have figures
	failed    atomic.Uint64 // proposals that were not taken
	numbered  atomic.Int64  // the last number that a token was made for here
	resolver  Resolver
	tls       bool // between nodes
}

// httpStream is the stream on which nodes hand requests to each other. Only nodes that know
// the cluster's secret come this way; what they say of a request is believed, and what has
// come this way is never handed on: so no request goes round in circles.
const httpStream = "http"

// hopKey marks the context of a request that another node has handed on.
type hopKey struct{}

// raftFile is the file in the data directory that says who this node is and what it has promised.
const raftFile = "raft"

// openCluster starts this node as a member; its log is open already.
func (a *App) openCluster(cc *clusterConfig, log *eventlog.Log, sink engine.Sink) (engine.Order, error) {
	if err := a.checkRestored(); err != nil {
		return nil, err
	}
	tcp, err := a.openPeers(cc)
	if err != nil {
		return nil, err
	}
	c := &cluster{cfg: cc, tcp: tcp, engine: a.engine, serving: make(chan error, 1), resolver: a.cfg.Resolver, tls: a.cfg.PeerTLSCert != ""}
	c.fetches.ctx, c.fetches.stop = context.WithCancel(context.Background())
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	founders, greeted, err := a.founded(c)
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	first := node.Identity{Cluster: clusterNumber(a.cfg.Cluster), ID: cc.id, Membership: cc.first}
	if len(founders.Members) > 0 {
		first.Membership = founders
	} else if len(cc.join) > 0 {
		first.Incarnation = max(1, rand.Uint64()) // of this disk: a new one has promised nothing
	}
	n, err := node.Start(node.Config{
		Log: log, Sink: sink, Clock: a.cfg.Clock, FS: a.cfg.FS, Dir: a.cfg.Dir, File: raftFile, Transport: tcp, Logger: a.log,
		First: first, Formats: a.cfg.formats(),
		Tick: a.cfg.ElectionTimeout / electionTicks, MaxLagBytes: a.cfg.MaxLagBytes,
		Raft: consensus.Config{ElectionTicks: electionTicks, FastFailover: !a.cfg.PatientFailover, LeaseReads: a.cfg.LeaseReads},
	})
	if err != nil {
		return nil, errors.Join(a.cfg.heldTooLate(err), greeted(), tcp.Close())
	}
	c.node = n
	c.runs.Store(true)
	if err := greeted(); err != nil {
		return nil, errors.Join(err, n.Close(), tcp.Close())
	}
	id := n.Identity()                                                                           // of another incarnation, that has heard of no commit yet, nothing is missed
	if err := a.checkReached(log.Last()); err != nil && (id.Incarnation == 0 || id.Commit > 0) { // it has begun anew, if it was about to
		return nil, errors.Join(err, n.Close(), tcp.Close())
	}
	if err := errors.Join(c.serveHTTP(a), c.serveRecords()); err != nil {
		return nil, errors.Join(err, n.Close(), tcp.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop, c.tended = cancel, make(chan struct{})
	go func() {
		defer close(c.tended)
		if len(cc.join) > 0 {
			a.join(ctx, c, a.log)
		}
		c.joined.Store(true)
		c.tend(ctx, a.log)
	}()
	a.cluster.Store(c)
	return clusterOrder{n, c}, nil
}

// electionTicks is how many ticks the election timeout has; a heartbeat is one.
const electionTicks = 10

// clusterOrder closes what belongs to the cluster with the node.
type clusterOrder struct {
	*node.Node
	c *cluster
}

// Propose implements engine.Order; it counts what is not taken.
func (o clusterOrder) Propose(epoch uint64, kind uint8, time int64, payload []byte) (ticket uint64, err error) {
	if ticket, err = o.Node.Propose(epoch, kind, time, payload); err != nil {
		o.c.failed.Add(1)
	}
	return ticket, err
}

// Close implements engine.Order.
func (o clusterOrder) Close() error {
	o.c.stop()
	o.c.fetches.end()
	<-o.c.tended
	err := o.c.server.Close()
	if e := <-o.c.serving; !errors.Is(e, wire.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, o.c.client.Close(), o.Node.Close(), o.c.tcp.Close())
}

// tend sees to it, on the leader, that others find it where it is now: a node that stood alone
// had no address.
func (c *cluster) tend(ctx context.Context, log *slog.Logger) {
	last := consensus.NodeID(0)
	for {
		v, changed := c.node.View()
		if v.Leader != 0 && v.Leader != last {
			last = v.Leader
			c.changes.Add(1)
		}
		var again <-chan time.Time
		if v.Leads {
			again = c.announce(log)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// announce changes this node's address in the membership where it is another; it returns when
// to try again, nil when all is well.
func (c *cluster) announce(log *slog.Logger) <-chan time.Time {
	me, ok := c.node.Status().Membership.Find(c.cfg.id)
	if !ok || me.Address == c.cfg.advertised() {
		return nil
	}
	me.Address = c.cfg.advertised()
	if err := c.node.Change(consensus.Change{Member: me}); err != nil {
		log.Debug("the address of this node could not be changed yet", "error", err)
	}
	return time.After(time.Second)
}

// serveHTTP answers the requests that other nodes hand on.
func (c *cluster) serveHTTP(a *App) error {
	l, err := c.tcp.Listen(httpStream)
	if err != nil {
		return err
	}
	h := a.router.Handler()
	everybody := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	c.server, err = wire.NewServer(wire.Config{
		Logger: a.log, MaxBodyBytes: a.cfg.MaxBodyBytes, ErrorBody: rest.ErrorBody,
		Proxies: wire.ProxyConfig{Trusted: everybody, Unix: true, Proto: true},
		Handler: func(w *wire.Response, r *wire.Request) error {
			if r.RawPath() == nodePath {
				return a.serveNode(w, r, c)
			}
			if r.RawPath() == changePath {
				return a.serveChange(w, r)
			}
			if r.RawPath() == queuePath {
				return a.serveQueue(w, r, c)
			}
			if strings.HasPrefix(r.RawPath(), blobPath) || r.RawPath() == blobList {
				return a.serveBlobPeer(w, r)
			}
			if r.RawPath() == erasePath {
				return a.serveErase(w, r)
			}
			r.SetContext(context.WithValue(r.Context(), hopKey{}, true))
			err := h(w, r)
			c.node.TellCommit() // the node that handed it on waits until it has the write itself
			return err
		},
	})
	if err != nil {
		return err
	}
	c.client, err = wire.NewClient(wire.ClientConfig{
		MaxRedirects: -1, HeadTimeout: a.cfg.RequestTimeout, MaxContentBytes: -1,
		Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			if at, ok := strings.CutPrefix(host, joinHost); ok {
				address, err := hex.DecodeString(at)
				if err != nil {
					return nil, node.ErrUnknownNode
				}
				return c.tcp.DialAddress(ctx, string(address), httpStream)
			}
			id, err := strconv.ParseUint(strings.TrimPrefix(host, nodeHost), 10, 64)
			if err != nil {
				return nil, err
			}
			return c.tcp.Dial(ctx, consensus.NodeID(id), httpStream)
		},
	})
	if err != nil {
		return err
	}
	go func() { c.serving <- c.server.Serve(l) }()
	return nil
}

// nodeHost begins the host in the URL of a node's stream, and joinHost in that of one of
// those that a node was told to join.
const (
	nodeHost = "node-"
	joinHost = "join-"
)

// joinURL is where a node asks whoever is at an address to take it in.
func joinURL(address string) string {
	return "http://" + joinHost + hex.EncodeToString([]byte(address)) + changePath
}

func nodeURL(id consensus.NodeID, target string) string {
	return "http://" + nodeHost + strconv.FormatUint(uint64(id), 10) + target
}

// receive takes in Raft's messages.
func (c *cluster) receive(messages ...consensus.Message) {
	if !c.runs.Load() {
		return // they are sent again
	}
	v, _ := c.node.View()
	for i := range messages {
		if m := &messages[i]; m.Kind == consensus.MsgAppend && m.Term >= v.Term {
			c.contact.heard(time.Now(), m.Commit, c.engine.Stats().Applied)
		}
	}
	c.node.Receive(messages...)
}

// gone takes in that a peer's process is dead.
func (c *cluster) gone(id consensus.NodeID) {
	if c.runs.Load() {
		c.node.LeaderLost(id)
	}
}

// contact is how old the state of a node that follows may be: it held all that the leader
// had committed when a message of his arrived, by this node's own clock.
type contact struct {
	mu      sync.Mutex
	fresh   time.Time // the state held everything then
	pending time.Time // it will have, once index is applied; zero: there is none
	index   uint64
}

func (c *contact) heard(now time.Time, commit, applied uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(applied)
	switch {
	case applied >= commit:
		c.fresh = now
	case c.pending.IsZero():
		c.pending, c.index = now, commit
	}
}

func (c *contact) settle(applied uint64) {
	if !c.pending.IsZero() && applied >= c.index {
		c.fresh, c.pending = c.pending, time.Time{}
	}
}

// age is how old the state may be; false when it never was known to be fresh.
func (c *contact) age(now time.Time, applied uint64) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(applied)
	return now.Sub(c.fresh), !c.fresh.IsZero()
}

// stateAge is how old what this node has may be; false when nobody knows. A node that
// leads, or stands alone, has the newest there is.
func (a *App) stateAge() (time.Duration, bool) {
	c := a.cluster.Load()
	if c == nil || !a.engine.Follows() {
		return 0, true
	}
	return c.contact.age(time.Now(), a.engine.Stats().Applied)
}

// NotLeaderError is why Update, Run of a command and the like are refused on a node that
// follows: functions run where the leader is. errors.Is finds [ErrNotLeader].
type NotLeaderError struct {
	Leader uint64 // the other node that leads; 0: none is known
	Err    error
}

// Error names the leader.
func (e *NotLeaderError) Error() string {
	if e.Leader == 0 {
		return "lithair: this node does not lead its cluster, or not yet, and it knows of nobody else who does"
	}
	return fmt.Sprintf("lithair: this node does not lead its cluster, node %d does", e.Leader)
}

// Unwrap returns the cause.
func (e *NotLeaderError) Unwrap() error { return e.Err }

// pointed adds the leader to ErrNotLeader.
func (a *App) pointed(err error) error {
	c := a.cluster.Load()
	if c == nil || err == nil || !errors.Is(err, engine.ErrNotLeader) {
		return err
	}
	v, _ := c.node.View()
	leader := uint64(v.Leader)
	if v.Leader == c.node.Status().ID {
		leader = 0 // it was elected just now, and cannot write yet
	}
	return &NotLeaderError{Leader: leader, Err: err}
}

// stepDown hands leadership over before this node stops, so that writes go on at once.
func (c *cluster) stepDown(ctx context.Context, log *slog.Logger) {
	v, changed := c.node.View()
	if !v.Leads {
		return
	}
	best, match := consensus.NodeID(0), uint64(0)
	s := c.node.Status()
	for _, p := range s.Peers {
		if m, ok := s.Membership.Find(p.ID); ok && m.Role == consensus.Voter && p.Active && p.Match >= match {
			best, match = p.ID, p.Match
		}
	}
	if best == 0 {
		return
	}
	if err := c.node.Transfer(best); err != nil {
		log.Warn("leadership could not be handed over", "to", uint64(best), "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	for v.Leads {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		v, changed = c.node.View()
	}
}

// handOver bounds how long a node that stops waits for another to lead.
const handOver = 2 * time.Second

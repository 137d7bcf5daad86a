package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// raftWork answers, with three nodes in this process that are joined by TCP over loopback:
//
//	propose <clients> <size> <fsync 0|1> <ms>  commits on the leader
//	failover <n> <size> <fsync 0|1> <ms>       the leader dies n times: time to the next commit
//
// With fast, who sees that the leader's port refuses it stands at once, see [consensus.Config].
// The shortest election timeout is 500 ms, the others lie between it and twice it. Without
// fsync files are written and not synced.
func raftWork(a []string, fast bool) (figures, error) {
	if len(a) != 5 {
		return nil, errors.New("want <case> <n> <size> <fsync> <ms>")
	}
	n, err := strconv.Atoi(a[1])
	if err != nil {
		return nil, err
	}
	size, err := strconv.Atoi(a[2])
	if err != nil {
		return nil, err
	}
	d, err := millis(a[4])
	if err != nil {
		return nil, err
	}
	synced, data := a[3] == "1", randomBytes(size)
	switch a[0] {
	case "failover":
		return raftFailover(n, synced, fast, data)
	case "propose":
		return raftPropose(n, d, synced, data)
	}
	return nil, fmt.Errorf("no such case: %s", a[0])
}

func raftPropose(clients int, d time.Duration, synced bool, data []byte) (f figures, err error) {
	c, err := startRaft(synced, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	lead, err := c.lead()
	if err != nil {
		return nil, err
	}
	return measureMany(clients, d, len(data), func() error { return lead.propose(slices.Clone(data)) })
}

func raftFailover(n int, synced, fast bool, data []byte) (figures, error) {
	var ms []float64
	for range n {
		took, err := failOnce(synced, fast, data)
		if err != nil {
			return nil, err
		}
		ms = append(ms, float64(took.Microseconds())/1e3)
	}
	slices.Sort(ms)
	return figures{"failover_ms": ms[len(ms)/2], "max_ms": ms[len(ms)-1]}, nil
}

func failOnce(synced, fast bool, data []byte) (took time.Duration, err error) {
	c, err := startRaft(synced, fast)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	lead, err := c.lead()
	if err != nil {
		return 0, err
	}
	if err := lead.propose(data); err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(100+rand.IntN(100)) * time.Millisecond)
	begin := time.Now()
	if err := c.kill(lead); err != nil {
		return 0, err
	}
	for {
		if lead, err = c.lead(); err != nil {
			return 0, err
		}
		if err = lead.propose(slices.Clone(data)); err == nil {
			return time.Since(begin), nil
		}
		time.Sleep(time.Millisecond)
	}
}

// raftCluster is three nodes.
type raftCluster struct {
	dir   string
	nodes []*raftNode
}

// raftNode is a node with its transport; it is the node's sink, which wakes who waits.
type raftNode struct {
	n   *node.Node
	tcp *node.TCP

	epoch atomic.Uint64 // 0: it does not lead

	mu    sync.Mutex
	done  uint64       // committed up to here
	waits []chan error // of the entries behind it, in order; nil: nobody waits
}

// waiters are channels that nobody waits at.
var waiters = sync.Pool{New: func() any { return make(chan error, 1) }}

func startRaft(synced, fast bool) (c *raftCluster, err error) {
	dir, err := os.MkdirTemp("", "lithair-bench-raft")
	if err != nil {
		return nil, err
	}
	c = &raftCluster{dir: dir}
	var listeners []net.Listener
	members := consensus.Voters(1, 2, 3)
	for i := range members.Members {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		listeners = append(listeners, l)
		members.Members[i].Address = l.Addr().String()
	}
	for i, l := range listeners {
		if err := c.start(members.Members[i].ID, l, members, synced, fast); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

func (c *raftCluster) start(id consensus.NodeID, l net.Listener, members consensus.Membership, synced, fast bool) error {
	fsys := disk.Real()
	if !synced {
		fsys = unsyncedFS{fsys}
	}
	quiet := slog.New(slog.DiscardHandler)
	const cluster = 1
	tcp, err := node.NewTCP(node.TCPConfig{Listener: l, ID: id, Cluster: cluster, Logger: quiet})
	if err != nil {
		return err
	}
	x := &raftNode{tcp: tcp}
	dir := filepath.Join(c.dir, strconv.FormatUint(uint64(id), 10))
	log, err := eventlog.Open(eventlog.Config{Dir: dir, FS: fsys})
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	x.n, err = node.Start(node.Config{
		Log: log, Sink: x, FS: fsys, Dir: dir, File: "node", Transport: tcp, Logger: quiet,
		First: node.Identity{Cluster: cluster, ID: id, Membership: members}, Raft: consensus.Config{FastFailover: fast},
	})
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	tcp.Serve(x.n.Receive, x.n.LeaderLost)
	c.nodes = append(c.nodes, x)
	return nil
}

// lead waits for a node that takes proposals.
func (c *raftCluster) lead() (*raftNode, error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, x := range c.nodes {
			if x.epoch.Load() != 0 {
				return x, nil
			}
		}
	}
	return nil, errors.New("no leader in 20 s")
}

// kill closes what a process that dies would lose: listener and connections first.
func (c *raftCluster) kill(x *raftNode) error {
	c.nodes = slices.DeleteFunc(c.nodes, func(o *raftNode) bool { return o == x })
	return errors.Join(x.tcp.Close(), x.n.Close())
}

func (c *raftCluster) close() (err error) {
	for len(c.nodes) > 0 {
		err = errors.Join(err, c.kill(c.nodes[0]))
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// propose returns once the entry is committed here.
func (x *raftNode) propose(data []byte) error {
	epoch := x.epoch.Load()
	index, err := x.n.Propose(epoch, consensus.FirstKind, time.Now().UnixNano(), data)
	if err != nil {
		return err
	}
	x.mu.Lock()
	if x.epoch.Load() != epoch {
		x.mu.Unlock()
		return node.ErrDeposed
	}
	if x.done >= index {
		x.mu.Unlock()
		return nil
	}
	wait := waiters.Get().(chan error)
	for x.done+uint64(len(x.waits)) < index {
		x.waits = append(x.waits, nil)
	}
	x.waits[index-x.done-1] = wait
	x.mu.Unlock()
	err = <-wait
	waiters.Put(wait)
	return err
}

// Committed implements node.Sink.
func (x *raftNode) Committed(records []eventlog.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done = records[len(records)-1].Index
	n := min(len(records), len(x.waits))
	wakeAll(x.waits[:n], nil)
	x.waits = x.waits[:copy(x.waits, x.waits[n:])]
}

func wakeAll(waits []chan error, err error) {
	for _, wait := range waits {
		if wait != nil {
			wait <- err
		}
	}
}

// Leading implements node.Sink.
func (x *raftNode) Leading(epoch uint64) { x.epoch.Store(epoch) }

// Lost implements node.Sink.
func (x *raftNode) Lost(_ uint64, _ bool, cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.epoch.Store(0)
	wakeAll(x.waits, cause)
	x.waits = nil
}

// Holds, Replay and Barrier implement node.Sink; there is no state, and nobody reads.
func (x *raftNode) Holds() eventlog.Position       { return eventlog.Position{} }
func (x *raftNode) Replay([]eventlog.Record) error { return nil }
func (x *raftNode) Barrier(_, _ uint64, _ error)   {}

// unsyncedFS leaves out all syncs.
type unsyncedFS struct{ disk.FS }

func (f unsyncedFS) SyncDir(string) error { return nil }

func (f unsyncedFS) Open(name string, how disk.Mode) (disk.File, error) {
	file, err := f.FS.Open(name, how)
	return unsyncedFile{file}, err
}

type unsyncedFile struct{ disk.File }

func (unsyncedFile) Sync() error { return nil }

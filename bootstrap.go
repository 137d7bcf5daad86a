package lithair

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path"
	"sync"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
)

// Nodes that are all started alike (-join with all of them, -bootstrap-expect N) find out who begins the cluster:
// the one with the lowest number, when it has seen N nodes that wait and each of the others has granted it that (of the N that each of two beginners would need, no node is in both). The others
// join it. A node grants one number, as long as it waits, and goes on to join only when it meets a node that does not wait
// any more; the one that begins waits, to the others, until its identity is durable. So a crash at any point leaves
// nodes that wait, or a cluster.

// bootstrapStream is the stream on which nodes that wait find each other; others do not serve it.
const bootstrapStream = "bootstrap"

// meeting is what a node that waits says: who it is, how many it expects, and what it wants or grants.
type meeting struct {
	ID     uint64 `json:"id"`
	Expect int64  `json:"expect"`
	Begin  bool   `json:"begin"` // of a question: may I; of an answer: you may
}

const (
	maxMeetingBytes = 1 << 10
	meetingTimeout  = 2 * time.Second
	meetingPause    = 200 * time.Millisecond
)

// lobby is where a node waits for others.
type lobby struct {
	me meeting
	l  net.Listener

	said string // the last warning; it belongs to meet

	mu      sync.Mutex
	granted uint64
	done    sync.WaitGroup
}

// enterLobby begins to answer other nodes that wait; close ends that.
func enterLobby(tcp *node.TCP, me meeting) (*lobby, error) {
	l, err := tcp.Listen(bootstrapStream)
	if err != nil {
		return nil, err
	}
	y := &lobby{me: me, l: l}
	y.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			y.done.Go(func() {
				_ = y.answer(c) // who asked asks again
				_ = c.Close()
			})
		}
	})
	return y, nil
}

func (y *lobby) close() error {
	err := y.l.Close()
	y.done.Wait()
	return err
}

// warn logs what is in the way, when it is something else than the last time.
func (y *lobby) warn(log *slog.Logger, err error) {
	if err != nil && err.Error() != y.said {
		y.said = err.Error()
		log.Warn("not all nodes are found that are to begin the cluster", "error", err)
	}
}

// grant says whether a node may begin the cluster. The first that is told so is the only one.
func (y *lobby) grant(id uint64) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.granted == 0 && id <= y.me.ID {
		y.granted = id
	}
	return y.granted == id
}

func (y *lobby) answer(c net.Conn) error {
	q, err := exchange(c, nil)
	if err != nil {
		return err
	}
	a := y.me
	a.Begin = q.Begin && y.grant(q.ID)
	return write(c, a)
}

// exchange says something, unless it is nil, and hears what the other side says.
func exchange(c net.Conn, say *meeting) (heard meeting, err error) {
	if err := c.SetDeadline(time.Now().Add(meetingTimeout)); err != nil {
		return heard, err
	}
	if say != nil {
		if err := write(c, *say); err != nil {
			return heard, err
		}
	}
	b, err := bufio.NewReader(io.LimitReader(c, maxMeetingBytes)).ReadBytes('\n')
	if err != nil {
		return heard, err
	}
	return heard, jsonx.Unmarshal(b, &heard)
}

func write(c net.Conn, m meeting) error {
	b, err := jsonx.Marshal(m)
	if err != nil {
		return err
	}
	_, err = c.Write(append(b, '\n'))
	return err
}

// meet waits in the lobby until it is known whether this node begins the cluster or joins one.
func (a *App) meet(ctx context.Context, c *cluster, y *lobby) (begin bool, err error) {
	for said := 0; ; {
		seen, met, err := a.lookAround(ctx, c, y)
		switch n := len(seen) + 1; {
		case err != nil || met:
			return false, err
		case int64(n) >= y.me.Expect:
			if begin, err := a.begins(ctx, c, y, seen); begin || err != nil {
				return begin, err
			}
		case n != said:
			said = n
			a.log.Info("waiting for others to begin the cluster", "here", n, "expected", y.me.Expect)
		}
		t := time.NewTimer(meetingPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false, ctx.Err()
		}
	}
}

// lookAround asks everybody; met says that one of them does not wait any more.
func (a *App) lookAround(ctx context.Context, c *cluster, y *lobby) (seen map[uint64]string, met bool, err error) {
	targets, err := c.targets(ctx)
	y.warn(a.log, err)
	seen = map[uint64]string{}
	for _, at := range targets {
		m, err := c.meet(ctx, at, y.me)
		switch {
		case errors.Is(err, node.ErrWrongStream):
			return nil, true, nil
		case err != nil || m.ID == y.me.ID:
			continue // it is not up yet, or is this one by another name
		case m.Expect != y.me.Expect:
			y.warn(a.log, fmt.Errorf("bootstrap-expect is %d here and %d on node %d, which is not waited for", y.me.Expect, m.Expect, m.ID))
			continue
		}
		seen[m.ID] = at
	}
	return seen, false, nil
}

// begins asks the others, if this node has the lowest number, whether it may begin the cluster.
func (a *App) begins(ctx context.Context, c *cluster, y *lobby, others map[uint64]string) (bool, error) {
	for id := range others {
		if id < y.me.ID {
			return false, nil
		}
	}
	ask := y.me
	ask.Begin = true
	all := y.grant(ask.ID)
	for _, at := range others {
		m, err := c.meet(ctx, at, ask)
		all = all && err == nil && m.Begin
	}
	return all, ctx.Err()
}

// meet asks one node.
func (c *cluster) meet(ctx context.Context, at string, say meeting) (m meeting, err error) {
	conn, err := c.tcp.DialAddress(ctx, at, bootstrapStream)
	if err != nil {
		return m, err
	}
	m, err = exchange(conn, &say)
	return m, errors.Join(err, conn.Close())
}

// founded begins to take connections, and has this node begin the cluster, if that is how it turns out; close is called when its identity is
// durable.
func (a *App) founded(c *cluster) (first consensus.Membership, close func() error, err error) {
	none := func() error { return nil }
	if a.cfg.BootstrapExpect == 0 {
		c.tcp.Serve(c.receive, c.gone)
		return first, none, nil
	}
	if _, err := disk.ReadFile(a.cfg.FS, path.Join(a.cfg.Dir, raftFile)); !errors.Is(err, fs.ErrNotExist) {
		c.tcp.Serve(c.receive, c.gone)
		return first, none, err // it has been started before
	}
	y, err := enterLobby(c.tcp, meeting{ID: uint64(c.cfg.id), Expect: a.cfg.BootstrapExpect})
	if err != nil {
		return first, none, err
	}
	c.tcp.Serve(c.receive, c.gone) // not before: who finds no lobby takes it for a cluster
	begin, err := a.meet(a.starting, c, y)
	if err != nil {
		// In this order: a node that answers and has no lobby is taken for a cluster, and the others
		// would wait for ever to be let in.
		return first, none, errors.Join(err, c.tcp.Close(), y.close())
	}
	if begin {
		first.Members = []consensus.Member{{ID: c.cfg.id, Role: consensus.Voter, Address: c.cfg.advertised()}}
	}
	return first, y.close, nil
}

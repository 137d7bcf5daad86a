package node_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// houses are processes, as far as nodes can tell: each has a transport, and replicas of several
// groups on it, with their logs on the real disk.
type houses struct {
	t       *testing.T
	dir     string
	tick    time.Duration
	groups  int
	members consensus.Membership
	mu      sync.Mutex
	changed sync.Cond
	all     []*house
}

type house struct {
	h        *houses
	id       consensus.NodeID
	tcp      *node.TCP
	replicas []*replica  // by group; nil: it is not there
	broken   atomic.Bool // syncs of group 1 fail
}

// replica is a node of one group, and what its sink has heard.
type replica struct {
	h       *houses
	n       *node.Node
	g       *node.Group // nil: group 0
	got     []string
	epoch   uint64
	stopped bool
}

func (r *replica) Holds() eventlog.Position                   { return eventlog.Position{} }
func (r *replica) Replay(records []eventlog.Record) error     { r.Committed(records); return nil }
func (r *replica) Leading(epoch uint64)                       { r.set(func() { r.epoch = epoch }) }
func (r *replica) Lost(epoch uint64, known bool, cause error) { r.set(func() { r.epoch = 0 }) }
func (r *replica) Barrier(ticket, index uint64, err error)    {}
func (r *replica) Committed(records []eventlog.Record) {
	r.set(func() {
		for i := range records {
			if records[i].Kind == app {
				r.got = append(r.got, string(records[i].Payload))
			}
		}
	})
}

func (r *replica) set(do func()) {
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	do()
	r.h.changed.Broadcast()
}

// listenBelow listens on a port below those that systems give out by themselves: another process's connection would take such a one
// while its house is closed.
func listenBelow(t *testing.T) (l net.Listener) {
	t.Helper()
	err := error(nil)
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+rand.IntN(20000))); err == nil {
			return l
		}
	}
	t.Fatal(err)
	return nil
}

func openHouses(t *testing.T, count, groups int, tick time.Duration) *houses {
	h := &houses{t: t, dir: t.TempDir(), tick: tick, groups: groups}
	h.changed.L = &h.mu
	for i := range count {
		l := listenBelow(t)
		h.members.Members = append(h.members.Members, consensus.Member{ID: consensus.NodeID(i + 1), Role: consensus.Voter, Address: l.Addr().String()})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		h.all = append(h.all, &house{h: h, id: consensus.NodeID(i + 1), replicas: make([]*replica, groups)})
	}
	for _, o := range h.all {
		o.open()
	}
	return h
}

func (o *house) open() {
	t := o.h.t
	m, _ := o.h.members.Find(o.id)
	l, err := net.Listen("tcp", m.Address)
	if err != nil {
		t.Fatal(err)
	}
	if o.tcp, err = node.NewTCP(node.TCPConfig{Listener: l, ID: o.id, Cluster: 42, Secret: []byte("s"), RetryAfter: 5 * time.Millisecond, Logger: quiet()}); err != nil {
		t.Fatal(err)
	}
	for group := range o.h.groups {
		o.start(group)
	}
}

// start begins a replica; group 0 begins the transport.
func (o *house) start(group int) {
	t, r := o.h.t, &replica{h: o.h}
	dir := filepath.Join(o.h.dir, fmt.Sprint(o.id), fmt.Sprint(group))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var fs disk.FS = disk.Real()
	if group == 1 {
		fs = brittle{fs, &o.broken}
	}
	log, err := eventlog.Open(eventlog.Config{Dir: filepath.Join(dir, "log"), FS: fs, SegmentBytes: 1 << 20, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{
		Log: log, Sink: r, Dir: dir, File: "node", Group: uint64(group), Transport: o.tcp, Tick: o.h.tick, Logger: quiet(),
		First: node.Identity{Cluster: 42, ID: o.id, Membership: o.h.members}, Raft: consensus.Config{FastFailover: true},
	}
	if group > 0 {
		if r.g, err = o.tcp.Group(uint64(group)); err != nil {
			t.Fatal(err)
		}
		cfg.Transport = r.g
	}
	if r.n, err = node.Start(cfg); err != nil {
		t.Fatal(err)
	}
	if group > 0 {
		err = r.g.Serve(r.n.Receive, r.n.LeaderLost)
	} else {
		o.tcp.Serve(r.n.Receive, r.n.LeaderLost)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.set(func() { o.replicas[group] = r })
}

// brittle is a disk whose syncs may fail.
type brittle struct {
	disk.FS
	broken *atomic.Bool
}

func (b brittle) Open(name string, mode disk.Mode) (disk.File, error) {
	f, err := b.FS.Open(name, mode)
	return brittleFile{f, b.broken}, err
}

type brittleFile struct {
	disk.File
	broken *atomic.Bool
}

func (f brittleFile) Sync() error {
	if f.broken.Load() {
		return errors.New("input/output error")
	}
	return f.File.Sync()
}

// stop ends a replica; that of group 0 not without the transport.
func (o *house) stop(group int) {
	r := o.replicas[group]
	if r.g != nil {
		if err := r.g.Leave(); err != nil {
			o.h.t.Error(err)
		}
	}
	r.set(func() { r.stopped, r.epoch, o.replicas[group] = true, 0, nil })
	if err := r.n.Close(); err != nil {
		o.h.t.Error(err)
	}
}

func (o *house) close() {
	if err := o.tcp.Close(); err != nil {
		o.h.t.Error(err)
	}
	for group, r := range o.replicas {
		if r != nil {
			o.stop(group)
		}
	}
}

func (h *houses) close() {
	for _, o := range h.all {
		o.close()
	}
}

// leader waits for a group to be led, and returns who leads.
func (h *houses) leader(group int) (o *house, r *replica, epoch uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until(fmt.Sprintf("group %d is led", group), func() bool {
		for _, o = range h.all {
			if r = o.replicas[group]; r != nil && r.epoch > 0 {
				epoch = r.epoch
				return true
			}
		}
		return false
	})
	return o, r, epoch
}

// until waits until something holds. h.mu is held.
func (h *houses) until(what string, holds func() bool) {
	const patience = time.Minute
	wake := time.AfterFunc(patience, func() { h.mu.Lock(); defer h.mu.Unlock(); h.changed.Broadcast() })
	defer wake.Stop()
	for begun := time.Now(); !holds(); h.changed.Wait() {
		if time.Since(begun) >= patience {
			h.t.Errorf("never: %s", what)
			runtime.Goexit() // also of a goroutine that writes
		}
	}
}

// write has a text committed in a group; false when what becomes of it is not known.
func (h *houses) write(group int, text string) bool {
	_, r, epoch := h.leader(group)
	if _, err := r.n.Propose(epoch, app, time.Now().UnixNano(), []byte(text)); err != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	has := false
	h.until("it is known what becomes of "+text, func() bool {
		has = slices.Contains(r.got[max(0, len(r.got)-10):], text)
		return has || r.epoch != epoch || r.stopped
	})
	return has
}

// agree waits until all replicas of a group have all of its acknowledged writes, and holds them
// against each other.
func (h *houses) agree(group int, acked []string) {
	h.t.Helper()
	last := fmt.Sprintf("group %d the end", group)
	for !h.write(group, last) {
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.all {
		r := o.replicas[group]
		h.until(fmt.Sprintf("node %d has %s", o.id, last), func() bool { return slices.Contains(r.got[max(0, len(r.got)-10):], last) })
		next := 0
		for i, text := range r.got {
			if !strings.HasPrefix(text, fmt.Sprintf("group %d ", group)) {
				h.t.Fatalf("node %d has in group %d: %s", o.id, group, text)
			}
			if other := h.all[0].replicas[group].got; i < len(other) && other[i] != text {
				h.t.Fatalf("group %d: node %d has at %d %q, another has %q", group, o.id, i, text, other[i])
			}
			if next < len(acked) && acked[next] == text {
				next++
			}
		}
		if next < len(acked) {
			h.t.Fatalf("group %d: node %d lacks %q of %d acknowledged writes", group, o.id, acked[next], len(acked))
		}
	}
}

// TestGroupsOverSockets: three processes, three groups, a writer for each. The leader of group 1 is
// stopped and started again and again: that group goes on without losing what was acknowledged, and
// the others do not notice: not one of their writes fails, nobody stands for election. Then whole
// processes end.
func TestGroupsOverSockets(t *testing.T) {
	kills := 3
	if os.Getenv("LITHAIR_LONG") != "" {
		kills = 60
	}
	h := openHouses(t, 3, 3, 50*time.Millisecond)
	defer h.close()
	var terms [3]node.View
	for group := range terms {
		_, r, _ := h.leader(group)
		terms[group], _ = r.n.View()
	}
	stop, writing := make(chan struct{}), sync.WaitGroup{}
	acked, failed := make([][]string, 3), make([]int, 3)
	begin := func() {
		stop = make(chan struct{})
		for group := range acked {
			writing.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					if text := fmt.Sprintf("group %d write %d", group, len(acked[group])+failed[group]); h.write(group, text) {
						acked[group] = append(acked[group], text)
					} else {
						failed[group]++
					}
				}
			})
		}
	}
	begin()
	for range kills {
		o, _, _ := h.leader(1)
		o.stop(1)
		h.leader(1)
		for !h.write(1, "group 1 after a kill") {
		}
		o.start(1)
	}
	close(stop)
	writing.Wait()
	for _, group := range []int{0, 2} {
		_, r, _ := h.leader(group)
		if v, _ := r.n.View(); v.Term != terms[group].Term || v.Leader != terms[group].Leader || failed[group] > 0 {
			t.Errorf("group %d was led as %+v and is led as %+v; %d of its writes failed", group, terms[group], v, failed[group])
		}
	}
	if failed[1] == 0 && kills > 10 {
		t.Error("no write of group 1 has failed: the leader was never killed amid one")
	}
	t.Logf("%d kills of group 1's leader: writes %d, %d, %d acknowledged; %d, %d, %d open when their leader went", kills, len(acked[0]), len(acked[1]), len(acked[2]), failed[0], failed[1], failed[2])
	begin()
	for _, o := range h.all {
		o.close()
		for group := range acked {
			h.leader(group)
			for !h.write(group, fmt.Sprintf("group %d after a process", group)) {
			}
		}
		o.open()
	}
	close(stop)
	writing.Wait()
	for group := range acked {
		h.agree(group, acked[group])
	}
	t.Logf("3 ends of processes: %d, %d, %d acknowledged in all; %d, %d, %d open", len(acked[0]), len(acked[1]), len(acked[2]), failed[0], failed[1], failed[2])
}

// TestAGroupsBrokenDiskStaysItsOwn: the disk of one group fails on a node; the other group on the
// same node goes on, as the leader if it was.
func TestAGroupsBrokenDiskStaysItsOwn(t *testing.T) {
	h := openHouses(t, 3, 2, 50*time.Millisecond)
	defer h.close()
	h.leader(1)
	o, r, _ := h.leader(0)
	before, _ := r.n.View()
	o.broken.Store(true)
	for n := range 50 {
		if !h.write(0, fmt.Sprintf("group 0 write %d", n)) {
			t.Fatalf("write %d of group 0 fails, its disk is well", n)
		}
		for !h.write(1, fmt.Sprintf("group 1 write %d", n)) {
		}
	}
	if v, _ := r.n.View(); v != before {
		t.Errorf("group 0 was led as %+v, and is as %+v", before, v)
	}
	if o.replicas[1].n.Err() == nil {
		t.Error("nothing was broken")
	}
}

// TestIdleGroups counts what many groups cost that do nothing: each has a heartbeat for each peer and
// tick, and they leave together.
func TestIdleGroups(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") == "" {
		t.Skip("LITHAIR_LONG=1")
	}
	const groups = 100
	h := openHouses(t, 3, groups, 50*time.Millisecond)
	defer h.close()
	for group := range groups {
		h.leader(group)
	}
	time.Sleep(2 * time.Second) // until nothing is left of the elections
	count := func() (messages, writes uint64) {
		for _, o := range h.all {
			s := o.tcp.Stats()
			messages, writes = messages+s.Messages, writes+s.Writes
		}
		return messages, writes
	}
	m0, w0 := count()
	cpu, begun := cpuTime(t), time.Now()
	time.Sleep(5 * time.Second)
	m1, w1 := count()
	ticks := float64(time.Since(begun)) / float64(h.tick)
	t.Logf("%d idle groups on 3 nodes: for each tick %.0f messages and %.0f writes, %.1f messages in each; CPU of all three %.1f%%", groups,
		float64(m1-m0)/ticks, float64(w1-w0)/ticks, float64(m1-m0)/float64(w1-w0), 100*float64(cpuTime(t)-cpu)/float64(time.Since(begun)))
	if w1-w0 > (m1-m0)/2 {
		t.Error("most heartbeats leave alone")
	}
}

// cpuTime returns the processor time of this process so far, to 10 ms; 0 where that cannot be told.
func cpuTime(t *testing.T) time.Duration {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields, sum := strings.Fields(rest), 0
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}

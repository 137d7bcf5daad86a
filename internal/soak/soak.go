package soak

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

const (
	nodes     = 3
	registers = 10
	clients   = 6 // of registers
	pace      = 20 * time.Millisecond
	followers = 4
)

// run is one run. Its methods are called by the goroutine of loop, but for those of workers.
type run struct {
	t     *reporter
	cfg   Config
	plan  Plan
	tally *tally
	net   *fleet.Network
	f     *fleet.Fleet
	disks []*smallDisk // by node; nil: it has a real one
	rng   *rand.Rand

	round     int
	copies    int
	verdicts  []fleet.Verdict
	gaps      map[string][]time.Duration // by fault: from its beginning to the next acknowledged change
	samples   [][]Sample                 // by node, of the ends of rounds
	words     map[string]int             // warnings and errors of nodes
	peaks     []Sample                   // by node, of all times
	uploaders []*uploader                // of this round

	working chan struct{} // closed when the round's clients are to stop
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

// ErrBroken is what Run returns when something did not hold; the report says what.
var ErrBroken = errors.New("soak: something did not hold")

// Run carries out the plan of cfg until its time is over, and then ends the round. What happens is told to out.
//
// Errors: [ErrBroken], with a report; why it could not begin; ctx's.
func Run(ctx context.Context, cfg Config, out io.Writer) (*Report, error) {
	cfg = cfg.withDefaults()
	dir, err := os.MkdirTemp(cfg.Dir, "soak")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, err
	}
	if most := 103 - len("/node1/operator.sock"); len(dir) > most { // as long as a socket's path may be
		return nil, errors.Join(fmt.Errorf("soak: Config.Dir: %s has %d bytes, at most %d", dir, len(dir), most), os.Remove(dir))
	}
	cfg.Dir = dir
	r := &run{t: &reporter{out: out, begun: time.Now()}, cfg: cfg, plan: NewPlan(cfg), tally: newTally(), gaps: map[string][]time.Duration{}, disks: make([]*smallDisk, nodes), samples: make([][]Sample, nodes), peaks: make([]Sample, nodes)}
	r.rng = r.rand("faults", 0)
	fmt.Fprint(out, r.plan)
	ended := make(chan struct{})
	go func() { // Fatalf ends it
		defer close(ended)
		defer r.endWork()
		r.loop(ctx)
	}()
	<-ended
	r.t.cleanUp()
	if !r.t.Failed() {
		if err := os.RemoveAll(dir); err != nil {
			r.t.Errorf("%v", err)
		}
	}
	rep := r.report()
	if r.t.Failed() {
		return rep, ErrBroken
	}
	return rep, ctx.Err()
}

// rand is chance that follows from the seed, the round and who asks.
func (r *run) rand(who string, id int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, who, " ", id, " ", r.round)
	return rand.New(rand.NewPCG(r.cfg.Seed, h.Sum64()))
}

func (r *run) loop(ctx context.Context) {
	r.t.Cleanup(r.removeDisks)
	r.makeDisks()
	r.leaveOut()
	r.net = fleet.NewNetwork(r.t)
	r.f = fleet.New(r.t, fleet.Options{Nodes: nodes, Network: r.net, Dir: r.cfg.Dir, Flags: []string{"-retention", "snapshot", "-log-level", "warn"}})
	r.f.StartAll()
	stop := sync.OnceFunc(r.watch())
	defer stop()
	for begun := time.Now(); r.round == 0 || time.Since(begun) < r.cfg.Length && ctx.Err() == nil && !r.t.Failed(); {
		r.round++
		r.one(ctx)
	}
	stop()
	all := fleet.Verdict{}
	for _, v := range r.verdicts {
		all.Changes, all.Reads = all.Changes+v.Changes, all.Reads+v.Reads
	}
	if !all.Proves() && ctx.Err() == nil {
		r.t.Errorf("%d changes and %d reads: this proves nothing", all.Changes, all.Reads)
	}
	if ctx.Err() == nil {
		r.judgeChecks()
	}
	r.judgeSamples()
	r.judgeWords()
}

// on says whether the round's clients go on.
func (r *run) on() bool {
	select {
	case <-r.working:
		return false
	default:
		return true
	}
}

// endWork stops whatever still works for the round.
func (r *run) endWork() {
	if r.working != nil && r.on() {
		close(r.working)
	}
	if r.cancel != nil {
		r.cancel()
	}
	r.workers.Wait()
}

// one is one round.
func (r *run) one(ctx context.Context) {
	r.working = make(chan struct{})
	meeting, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	var work, meet sync.WaitGroup
	begin := func(g *sync.WaitGroup, f func()) {
		r.workers.Add(1)
		g.Go(func() { defer r.workers.Done(); f() })
	}
	recorder := r.f.Record(fleet.RecordOptions{Clients: clients, Pause: pace, Registers: registers, Prefix: fmt.Sprintf("%d.", r.round), Seed: r.rand("registers", 0).Uint64()})
	writers, follow := r.newWriters(), []*follower(nil)
	for _, w := range writers {
		begin(&work, w.work)
	}
	for i := range followers {
		w := r.newFollower(i)
		follow = append(follow, w)
		begin(&work, w.work)
	}
	for _, u := range r.newUploaders() {
		begin(&work, u.work)
	}
	members := r.newMembers()
	for _, m := range members {
		begin(&meet, func() { m.work(meeting) })
		begin(&work, m.talk)
	}
	moments := r.harm(ctx, recorder)
	close(r.working)
	work.Wait()
	v := recorder.Judge()
	r.verdicts = append(r.verdicts, v)
	for fault, at := range moments {
		r.gaps[fault] = append(r.gaps[fault], recorder.Gaps(at)...)
	}
	r.countRegisters(v)
	r.judgeNotes(writers)
	for _, w := range follow {
		w.judge()
		w.close()
	}
	for _, u := range r.uploaders {
		u.judge()
	}
	r.judgeRoom(members)
	cancel()
	meet.Wait()
	r.judgeAgreement()
	r.judgeCopy()
	for _, w := range writers {
		r.clear(w)
	}
	for _, u := range r.uploaders {
		r.closed(u.client)
	}
	r.f.Sweep(0)
	r.sample()
	r.t.Logf("round %d: %v", r.round, v)
}

// harm lets the faults of the round befall the nodes, and returns when each did, by the recorder's time.
func (r *run) harm(ctx context.Context, recorder *fleet.Recorder) map[string][]time.Duration {
	begun, moments := time.Now(), map[string][]time.Duration{}
	for _, s := range r.plan.Rounds[(r.round-1)%len(r.plan.Rounds)] {
		if time.Since(begun) >= r.cfg.Round || ctx.Err() != nil {
			break // faults before took longer than planned
		}
		time.Sleep(time.Until(begun.Add(s.At)))
		moments[s.Fault] = append(moments[s.Fault], recorder.Now())
		r.befall(s)
	}
	if ctx.Err() == nil {
		time.Sleep(time.Until(begun.Add(r.cfg.Round)))
	}
	return moments
}

func (r *run) newWriters() (all []*writer) {
	for i := range writers {
		all = append(all, &writer{run: r, id: i, rng: r.rand("writer", i), client: fleet.NewClient(r.t), has: map[string]fleet.Note{}})
	}
	return all
}

func (r *run) newUploaders() []*uploader {
	r.uploaders = nil
	for i := range uploaders {
		r.uploaders = append(r.uploaders, &uploader{run: r, id: i, rng: r.rand("uploader", i), client: fleet.NewClient(r.t), has: map[string][32]byte{}})
	}
	return r.uploaders
}

func (r *run) newMembers() (all []*member) {
	o := &order{said: map[string]string{}}
	for node := range r.f.Nodes {
		for i := range membersEach {
			all = append(all, &member{run: r, node: node, id: i + 1, order: o})
		}
	}
	return all
}

// clear removes a writer's notes, and all files, so that the next round begins with none.
func (r *run) clear(w *writer) {
	for id := range w.has {
		w.must("delete a note", 204, "DELETE", "/api/notes/"+id, nil)
	}
	if w.id == 0 {
		for _, u := range r.uploaders {
			for id := range u.has {
				w.must("delete a file's record", 204, "DELETE", "/api/files/"+id, nil)
			}
		}
	}
	r.closed(w.client)
}

func (r *run) closed(c *fleet.Client) {
	if err := c.Close(); err != nil {
		r.t.Errorf("%v", err)
	}
}

func (r *run) countRegisters(v fleet.Verdict) {
	r.tally.add("change a register", Count{Acknowledged: v.Changes, Unknown: v.Unknown, Refused: v.Repeated - v.Unknown + v.Forsaken})
	r.tally.add("read a register, linearizable", Count{Acknowledged: v.Reads})
	r.tally.add("read a register, as a session", Count{Acknowledged: v.Weak})
	r.tally.check("operations put in a linear order", v.Judged)
	r.tally.check("change given up, as nothing was carried out, is nowhere", v.Forsaken)
	r.tally.check("state hash of a node", len(r.f.Nodes))
}

// judgeAgreement asks a node whether all members have the same state and log.
func (r *run) judgeAgreement() {
	c, err := wire.NewClient(wire.ClientConfig{Socket: filepath.Join(r.f.Nodes[0].Dir, "operator.sock")})
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out struct {
		Agree    bool     `json:"agree"`
		Problems []string `json:"problems"`
	}
	a, err := c.Get(ctx, "http://operator/cluster/agreement")
	if err != nil {
		r.t.Errorf("cluster agreement: %v", err)
		return
	}
	b, err := a.ReadAll(1 << 20)
	if err != nil || a.StatusCode() != 200 || jsonx.Unmarshal(b, &out) != nil || !out.Agree {
		r.t.Errorf("cluster agreement: %d %v %s", a.StatusCode(), err, b)
	}
	r.tally.check("states and logs of all members agree", 1)
}

// insist sends a request, whose URL is a path, to any node until it is acknowledged with that status; nil where it is not: that is
// told then.
func (r *run) insist(c *fleet.Client, rng *rand.Rand, kind string, want int, q *wire.ClientRequest) *fleet.Answer {
	path := q.URL
	var end time.Time
	for {
		q.URL = r.f.Nodes[rng.IntN(nodes)].URL + path
		a := c.Do(q)
		r.tally.op(kind, &a)
		switch {
		case a.Unknown() || a.Status == 503 || a.Status == 507 || a.Status == 429:
		case a.Status == want:
			return &a
		default:
			r.t.Errorf("%s: %s %s: %d %s", kind, q.Method, path, a.Status, a.Body)
			return nil
		}
		if !r.on() {
			if end.IsZero() {
				end = time.Now().Add(fleet.Patience)
			} else if time.Now().After(end) {
				r.t.Errorf("%s: %s %s is not acknowledged within %v of the last fault: %+v", kind, q.Method, path, fleet.Patience, a)
				return nil
			}
		}
		time.Sleep(time.Duration(2+rng.IntN(20)) * time.Millisecond)
	}
}

package fleet

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/internal/linear"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// registers is the default of RecordOptions.Registers.
const registers = 48

// Recorder lets clients work through all nodes, and keeps what they did and saw.
type Recorder struct {
	f     *Fleet
	o     RecordOptions
	nodes []*Node
	begun time.Time
	stop  chan struct{}
	done  sync.WaitGroup

	mu        sync.Mutex
	histories map[string][]linear.Operation
	made      map[string]bool // change by name: it was acknowledged as made; false: nobody knows
	doubtful  map[string]linear.Operation
	recent    map[string]int64
	writes    []span // acknowledged changes
	reads     int
	weak      int // reads of a session
	repeated  int
	unknown   int
	forsaken  int
	failed    []string
}

// span is when an operation began and ended.
type span struct{ begin, end time.Duration }

// RecordOptions say who works, and how.
type RecordOptions struct {
	Clients int
	Pause   time.Duration // of a client between two operations
	// Registers is over how many of them operations spread; default 48. The checker's effort grows with the square of a
	// history's length, and fewer are changed more often while somebody reads them.
	Registers int
	Prefix    string // of names of registers and changes, so that one recorder can follow another
	Seed      uint64
}

// Record starts clients.
func (f *Fleet) Record(o RecordOptions) *Recorder {
	f.Helper()
	o.Registers = cmp.Or(o.Registers, registers)
	r := &Recorder{f: f, o: o, nodes: slices.Clone(f.Nodes), begun: time.Now(), stop: make(chan struct{}), histories: map[string][]linear.Operation{}, made: map[string]bool{}, doubtful: map[string]linear.Operation{}, recent: map[string]int64{}}
	for id := range o.Clients {
		h, err := wire.NewClient(wire.ClientConfig{})
		if err != nil {
			f.Fatalf("%v", err)
		}
		r.done.Go(func() {
			c := &client{Recorder: r, id: id, rng: rand.New(rand.NewPCG(o.Seed, uint64(id))), http: h}
			c.run()
			if err := h.Close(); err != nil {
				r.fail("%v", err)
			}
		})
	}
	return r
}

// Now is the time since the clients were started.
func (r *Recorder) Now() time.Duration { return time.Since(r.begun) }

func (r *Recorder) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

func (r *Recorder) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// client does one operation after the other.
type client struct {
	*Recorder
	id, ops int
	rng     *rand.Rand
	http    *wire.Client
	seen    uint64 // highest sequence it was told of
	own     int64  // of a register that nobody else changes
}

func (c *client) ownRegister() string { return fmt.Sprint(c.o.Prefix, "own", c.id) }

func (c *client) run() {
	for ; !c.stopped(); time.Sleep(c.o.Pause) {
		c.ops++
		name, register := fmt.Sprintf("%sc%d.%d", c.o.Prefix, c.id, c.ops), fmt.Sprintf("%sr%d", c.o.Prefix, c.rng.IntN(c.o.Registers))
		value := int64(c.id+1)<<32 | int64(c.ops) // nobody else writes it
		switch k := c.rng.IntN(100); {
		case k < 20:
			c.change(name, register, linear.Operation{Do: linear.Put, Arg: value})
		case k < 40:
			c.change(name, register, linear.Operation{Do: linear.Add, Arg: 1})
		case k < 55:
			c.mu.Lock()
			old := c.recent[register]
			c.mu.Unlock()
			c.change(name, register, linear.Operation{Do: linear.Replace, Arg: value, Old: old})
		case k < 62:
			if made, ok := c.change(name, c.ownRegister(), linear.Operation{Do: linear.Add, Arg: 1}); ok {
				c.own = made.Value
			}
		case k < 70:
			c.session()
		case k < 73:
			c.read(register, "strong")
		default:
			c.read(register, "linearizable")
		}
	}
}

// change makes a change, again and again with its idempotency key until it is acknowledged.
func (c *client) change(name, register string, op linear.Operation) (out Changed, ok bool) {
	verb := [...]string{linear.Put: "put", linear.Add: "add", linear.Replace: "replace"}[op.Do]
	body, err := jsonx.Marshal(Change{Op: name, Register: register, Arg: op.Arg, Old: op.Old})
	if err != nil {
		c.fail("%v", err)
		return out, false
	}
	c.mu.Lock()
	c.made[name] = false
	c.mu.Unlock()
	unknown := false
	op.Begin = c.Now()
	var end time.Time
	for {
		a := c.do("POST", "/api/_command/"+verb, body, name)
		switch {
		case a.Unknown():
			unknown = true
		case a.Status == 503 && !unknown && c.rng.IntN(2) == 0:
			c.forsake(name)
			return out, false
		case a.Status == 200:
			if err := jsonx.Unmarshal(a.Body, &out); err != nil {
				c.fail("%s: %v: %s", name, err, a.Body)
				return out, false
			}
			c.heard(name, &a)
			op.End, op.Result, op.Refused = c.Now(), out.Value, out.Refused
			c.keep(name, register, op, unknown)
			return out, true
		case a.Status != 503 && a.Status != 507:
			c.fail("%s: %d %s", name, a.Status, a.Body)
			return out, false
		}
		c.mu.Lock()
		if a.Unknown() {
			c.unknown++
		}
		c.repeated++
		c.mu.Unlock()
		if c.stopped() {
			if end.IsZero() {
				end = time.Now().Add(Patience)
			} else if time.Now().After(end) {
				c.fail("%s is not acknowledged within %v of the last fault", name, Patience)
				return out, false
			}
		}
		time.Sleep(time.Duration(2+c.rng.IntN(10)) * time.Millisecond)
	}
}

// forsake does not repeat a change of which the node says that nothing was carried out: a repetition would get the answer of what was, if that
// is not true. Nobody may ever see it.
func (c *client) forsake(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, name)
	c.forsaken++
}

// keep adds a change to its history. One that found another value, after an attempt that may have had
// an effect or have one yet, is judged by what became of it.
func (c *client) keep(name, register string, op linear.Operation, unknown bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Refused {
		delete(c.made, name)
		if unknown {
			op.Refused, op.End = false, linear.Forever
			c.doubtful[name+" "+register] = op
			return
		}
	} else {
		c.made[name] = true
		c.writes = append(c.writes, span{op.Begin, op.End})
		c.recent[register] = op.Result
	}
	c.histories[register] = append(c.histories[register], op)
}

// read reads a register at a level that sees everything acknowledged before.
func (c *client) read(register, level string) {
	op := linear.Operation{Do: linear.Read}
	for !c.stopped() {
		op.Begin = c.Now()
		value, _, ok := c.value(register, "?level="+level)
		if op.End = c.Now(); ok {
			op.Result = value
			c.mu.Lock()
			c.reads++
			c.histories[register] = append(c.histories[register], op)
			c.mu.Unlock()
			return
		}
	}
}

// session reads at a node what this client knows to be there: its own changes.
func (c *client) session() {
	seen, own := c.seen, c.own
	value, at, ok := c.value(c.ownRegister(), fmt.Sprintf("?level=none&min_index=%d", seen))
	if !ok {
		return
	}
	if at < seen || value != own {
		c.fail("client %d has seen sequence %d and wrote %d; it is shown sequence %d and %d", c.id, seen, own, at, value)
	}
	c.mu.Lock()
	c.weak++
	c.mu.Unlock()
}

// value reads a register; one that is not there is 0.
func (c *client) value(register, query string) (value int64, at uint64, ok bool) {
	a := c.do("GET", "/api/registers/"+register+query, nil, "")
	if a.Err != nil || a.Status == 503 || a.Status == 504 || a.Status == 412 && strings.Contains(query, "min_index") {
		return 0, 0, false // 412: the node did not come that far in time
	}
	var r Register
	if a.Status != 404 && (a.Status != 200 || jsonx.Unmarshal(a.Body, &r) != nil) {
		c.fail("%s%s: %d %s", register, query, a.Status, a.Body)
		return 0, 0, false
	}
	return r.Value, c.heard(register, &a), true
}

// heard takes in the sequence of an answer.
func (c *client) heard(what string, a *Answer) uint64 {
	at, err := strconv.ParseUint(a.Index, 10, 64)
	if err != nil {
		c.fail("%s: the answer has no index: %d %q", what, a.Status, a.Index)
	}
	c.seen = max(c.seen, at)
	return at
}

// do sends one request to some node.
func (c *client) do(method, path string, body []byte, key string) Answer {
	q := &wire.ClientRequest{Method: method, URL: c.nodes[c.rng.IntN(len(c.nodes))].URL + path}
	if key != "" {
		q.Body, q.Header = bytes.NewReader(body), [][2]string{{"Content-Type", "application/json"}, {"Idempotency-Key", key}}
	}
	return do(c.http, 6*time.Second, q)
}

// Verdict is what a Recorder's clients did.
type Verdict struct {
	Changes, Reads, Weak int // acknowledged; Weak: reads of a session at its own node's state
	Repeated, Unknown    int // attempts of changes that were made again, and those of them whose outcome nobody knew
	Forsaken             int // changes that were not made again, as nothing was carried out
	Judged, Histories    int // operations that were put in an order, and registers
	Longest              int // history
	Last                 Info
}

// Judge stops the clients, when all is well again, and looks at everything.
func (r *Recorder) Judge() (v Verdict) {
	f := r.f
	f.Helper()
	close(r.stop)
	r.done.Wait()
	for _, s := range r.failed {
		f.Errorf("%s", s)
	}
	v = Verdict{Changes: len(r.writes), Reads: r.reads, Weak: r.weak, Repeated: r.repeated, Unknown: r.unknown, Forsaken: r.forsaken, Histories: len(r.histories), Last: f.Equal()}
	for i, n := range f.Nodes {
		if n.Running() {
			r.count(i)
		}
	}
	for register, ops := range r.histories {
		v.Judged, v.Longest = v.Judged+len(ops), max(v.Longest, len(ops))
		ok, stuck, known := linear.Check(ops, 0)
		if !known {
			f.Errorf("the history of %s, %d operations, is too hard to judge", register, len(ops))
		}
		if !ok {
			f.Errorf("the history of %s, %d operations, is not linearizable; no order gets past %+v", register, len(ops), ops[stuck])
		}
	}
	return v
}

// Proves says whether there was enough of everything.
func (v Verdict) Proves() bool { return v.Changes >= 50 && v.Reads >= 50 }

// String tells it.
func (v Verdict) String() string {
	return fmt.Sprintf("%d changes and %d reads acknowledged, %d reads of sessions, %d attempts repeated, %d changes given up as not made; %d operations judged in %d histories, the longest of %d; all nodes have state %s at sequence %d",
		v.Changes, v.Reads, v.Weak, v.Repeated, v.Forsaken, v.Judged, v.Histories, v.Longest, v.Last.Hash, v.Last.Seq)
}

// count looks on one node whether each change is there as often as it should be, and settles the doubtful ones.
func (r *Recorder) count(i int) {
	f := r.f
	f.Helper()
	a := f.Get(i, "/dump?prefix="+r.o.Prefix, Patience)
	if a.Err != nil || a.Status != 200 {
		f.Fatalf("node %d: %d %v", i+1, a.Status, a.Err)
	}
	times := map[string]int{}
	for name := range strings.FieldsSeq(string(a.Body)) {
		times[name]++
	}
	lost, doubled, ghosts := 0, 0, 0
	for name, made := range r.made {
		if made && times[name] == 0 {
			lost++
		}
	}
	for key, op := range r.doubtful {
		name, register, _ := strings.Cut(key, " ")
		if times[name] > 0 {
			r.histories[register] = append(r.histories[register], op)
			r.made[name] = true
		}
		delete(r.doubtful, key)
	}
	for name, n := range times {
		if n > 1 {
			doubled++
		}
		if _, known := r.made[name]; !known {
			ghosts++
		}
	}
	if lost+doubled+ghosts > 0 {
		f.Errorf("node %d: %d acknowledged changes are lost, %d were made twice, %d that were refused are there", i+1, lost, doubled, ghosts)
	}
}

// Gaps returns, for each moment, how long the next acknowledgement took of a change begun behind it, ascending.
func (r *Recorder) Gaps(moments []time.Duration) (list []time.Duration) {
	for _, m := range moments {
		best := time.Duration(-1)
		for _, w := range r.writes {
			if d := w.end - m; w.begin > m && (best < 0 || d < best) {
				best = d
			}
		}
		if best >= 0 {
			list = append(list, best.Round(time.Millisecond/10))
		}
	}
	slices.Sort(list)
	return list
}

// Distribution tells what a list of durations, ascending, is like.
func Distribution(list []time.Duration) string {
	if len(list) == 0 {
		return "none"
	}
	at := func(percent int) time.Duration { return list[min(len(list)-1, len(list)*percent/100)] }
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, max %v of %d", at(50), at(90), at(99), list[len(list)-1], len(list))
}

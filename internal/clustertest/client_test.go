package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/internal/linear"
)

// registers is over how many registers operations spread. The checker's effort grows with the
// square of a history's length.
const registers = 48

// recorder lets clients work through all nodes, and keeps what they did and saw.
type recorder struct {
	f     *fleet
	begun time.Time
	pause time.Duration // of a client between two operations
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
	failed    []string
}

// span is when an operation began and ended.
type span struct{ begin, end time.Duration }

// record starts clients.
func (f *fleet) record(clients int, pause time.Duration) *recorder {
	r := &recorder{f: f, begun: time.Now(), pause: pause, stop: make(chan struct{}), histories: map[string][]linear.Operation{}, made: map[string]bool{}, doubtful: map[string]linear.Operation{}, recent: map[string]int64{}}
	for id := range clients {
		r.done.Add(1)
		go func() {
			defer r.done.Done()
			c := &client{recorder: r, id: id, rng: rand.New(rand.NewPCG(uint64(id), 0)), http: &http.Client{Transport: &http.Transport{}}}
			defer c.http.CloseIdleConnections()
			c.run()
		}()
	}
	return r
}

func (r *recorder) now() time.Duration { return time.Since(r.begun) }

func (r *recorder) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

func (r *recorder) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// client does one operation after the other.
type client struct {
	*recorder
	id, ops int
	rng     *rand.Rand
	http    *http.Client
	seen    uint64 // highest sequence it was told of
	own     int64  // of a register that nobody else changes
}

func (c *client) run() {
	for ; !c.stopped(); time.Sleep(c.pause) {
		c.ops++
		name, register := fmt.Sprintf("c%d.%d", c.id, c.ops), fmt.Sprintf("r%d", c.rng.IntN(registers))
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
			if made, ok := c.change(name, fmt.Sprint("own", c.id), linear.Operation{Do: linear.Add, Arg: 1}); ok {
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
func (c *client) change(name, register string, op linear.Operation) (out changed, ok bool) {
	verb := [...]string{linear.Put: "put", linear.Add: "add", linear.Replace: "replace"}[op.Do]
	body, err := json.Marshal(change{Op: name, Register: register, Arg: op.Arg, Old: op.Old})
	if err != nil {
		c.fail("%v", err)
		return out, false
	}
	c.mu.Lock()
	c.made[name] = false
	c.mu.Unlock()
	unknown := false
	op.Begin = c.now()
	var end time.Time
	for {
		status, answer, header, err := c.do("POST", "/api/_command/"+verb, body, name)
		switch {
		case err == nil && status == 200:
			if err := json.Unmarshal(answer, &out); err != nil {
				c.fail("%s: %v: %s", name, err, answer)
				return out, false
			}
			c.heard(name, header)
			op.End, op.Result, op.Refused = c.now(), out.Value, out.Refused
			c.keep(name, register, op, unknown)
			return out, true
		case err != nil || status == 503 && header.Get("Lithair-Outcome") != "none" || status == 504:
			unknown = true
		case status != 503:
			c.fail("%s: %d %s", name, status, answer)
			return out, false
		}
		c.mu.Lock()
		c.repeated++
		c.mu.Unlock()
		if c.stopped() {
			if end.IsZero() {
				end = time.Now().Add(patience)
			} else if time.Now().After(end) {
				c.fail("%s is not acknowledged within %v of the last fault", name, patience)
				return out, false
			}
		}
		time.Sleep(time.Duration(2+c.rng.IntN(10)) * time.Millisecond)
	}
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
		op.Begin = c.now()
		value, _, ok := c.value(register, "?level="+level)
		if op.End = c.now(); ok {
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
	value, at, ok := c.value(fmt.Sprint("own", c.id), fmt.Sprintf("?level=none&min_index=%d", seen))
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
	status, answer, header, err := c.do("GET", "/api/registers/"+register+query, nil, "")
	if err != nil || status == 503 || status == 504 || status == 412 && strings.Contains(query, "min_index") {
		return 0, 0, false // 412: the node did not come that far in time
	}
	var r Register
	if status != 404 && (status != 200 || json.Unmarshal(answer, &r) != nil) {
		c.fail("%s%s: %d %s", register, query, status, answer)
		return 0, 0, false
	}
	return r.Value, c.heard(register, header), true
}

// heard takes in the sequence of an answer.
func (c *client) heard(what string, header http.Header) uint64 {
	at, err := strconv.ParseUint(header.Get("Lithair-Index"), 10, 64)
	if err != nil {
		c.fail("%s: the answer has no index: %v", what, header)
	}
	c.seen = max(c.seen, at)
	return at
}

// do sends one request to some node.
func (c *client) do(method, path string, body []byte, key string) (int, []byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, c.f.nodes[c.rng.IntN(len(c.f.nodes))].url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if key != "" {
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Idempotency-Key", key)
	}
	r, err := c.http.Do(q)
	if err != nil {
		return 0, nil, nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	return r.StatusCode, answer, r.Header, err
}

// judge stops the clients, when all is well again, and looks at everything.
func (r *recorder) judge() {
	f := r.f
	f.Helper()
	close(r.stop)
	r.done.Wait()
	for _, s := range r.failed {
		f.Error(s)
	}
	last := f.equal()
	for i, p := range f.nodes {
		if p.cmd != nil {
			r.count(i)
		}
	}
	judged, longest := 0, 0
	for register, ops := range r.histories {
		judged, longest = judged+len(ops), max(longest, len(ops))
		ok, stuck, known := linear.Check(ops, 0)
		if !known {
			f.Errorf("the history of %s, %d operations, is too hard to judge", register, len(ops))
		}
		if !ok {
			f.Errorf("the history of %s, %d operations, is not linearizable; no order gets past %+v", register, len(ops), ops[stuck])
		}
	}
	f.Logf("%d changes and %d reads acknowledged, %d reads of sessions, %d attempts repeated; %d operations judged in %d histories, the longest of %d; all nodes have state %s at sequence %d",
		len(r.writes), r.reads, r.weak, r.repeated, judged, len(r.histories), longest, last.Hash, last.Seq)
	if len(r.writes) < 50 || r.reads < 50 {
		f.Error("this proves nothing")
	}
}

// count looks on one node whether each change is there as often as it should be, and settles the doubtful ones.
func (r *recorder) count(i int) {
	f := r.f
	f.Helper()
	status, b, _, err := get(f.nodes[i].url+"/dump", patience)
	if err != nil || status != 200 {
		f.Fatalf("node %d: %d %v", i+1, status, err)
	}
	times := map[string]int{}
	for name := range strings.FieldsSeq(string(b)) {
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

// gaps returns, for each moment, how long the next acknowledgement took of a change begun behind it, ascending.
func (r *recorder) gaps(moments []time.Duration) (list []time.Duration) {
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

// distribution tells what a list of durations, ascending, is like.
func distribution(list []time.Duration) string {
	if len(list) == 0 {
		return "none"
	}
	at := func(percent int) time.Duration { return list[min(len(list)-1, len(list)*percent/100)] }
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, max %v of %d", at(50), at(90), at(99), list[len(list)-1], len(list))
}

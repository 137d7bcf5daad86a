package engine_test

import (
	"bytes"
	"errors"
	"fmt"

	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/state"
)

type worker struct {
	_ struct{} `lithair:"unique=town+badge where badge>0,index=town+email"`

	ID    uint64  `json:"id"`
	Email string  `json:"email" lithair:"unique"`
	Town  string  `json:"town" lithair:"indexed"`
	Badge int     `json:"badge"`
	Boss  *uint64 `json:"boss" lithair:"fk=worker,on_delete=set_null"`
}

type job struct {
	_ struct{} `lithair:"unique=worker+number" lifecycle:"audited"`

	ID     uint64 `json:"id"`
	Worker uint64 `json:"worker" lithair:"fk=worker,on_delete=cascade"`
	Number int    `json:"number"`
	Kind   string `json:"kind" lifecycle:"immutable"`
}

type step struct {
	_ struct{} `lifecycle:"versioned=3"`

	ID    uint64  `json:"id"`
	Job   uint64  `json:"job" lithair:"fk=job,on_delete=cascade"`
	By    *uint64 `json:"by" lithair:"fk=worker"`
	State string  `json:"state" lithair:"indexed"`
}

type ticket struct {
	ID   uint64    `json:"id"`
	Ends time.Time `json:"ends" lifecycle:"retention=1"`
	Step *uint64   `json:"step" lithair:"fk=step,on_delete=set_null"`
}

// world is the naive model: plain maps, and rules written down as they read.
type world struct {
	workers  map[uint64]worker
	jobs     map[uint64]job
	steps    map[uint64]step
	tickets  map[uint64]ticket
	versions map[uint64][]stepVersion // oldest first
}

type stepVersion struct {
	seq  uint64
	step step
}

func newWorld() *world {
	return &world{map[uint64]worker{}, map[uint64]job{}, map[uint64]step{}, map[uint64]ticket{}, map[uint64][]stepVersion{}}
}

func (w *world) clone() *world {
	return &world{maps.Clone(w.workers), maps.Clone(w.jobs), maps.Clone(w.steps), maps.Clone(w.tickets), maps.Clone(w.versions)}
}

var errNaive = errors.New("refused")

func is(p *uint64, id uint64) bool { return p != nil && *p == id }

func (w *world) putWorker(v worker, insert bool) error {
	if _, there := w.workers[v.ID]; there == insert {
		return errNaive
	}
	for id, o := range w.workers {
		if id != v.ID && (o.Email == v.Email || o.Town == v.Town && o.Badge == v.Badge && v.Badge > 0) {
			return errNaive
		}
	}
	w.workers[v.ID] = v
	return nil
}

func (w *world) putJob(v job, insert bool) error {
	was, there := w.jobs[v.ID]
	if there == insert || there && was.Kind != v.Kind {
		return errNaive
	}
	for id, o := range w.jobs {
		if id != v.ID && o.Worker == v.Worker && o.Number == v.Number {
			return errNaive
		}
	}
	w.jobs[v.ID] = v
	return nil
}

func (w *world) deleteWorker(id uint64) error {
	if _, there := w.workers[id]; !there {
		return errNaive
	}
	delete(w.workers, id)
	for i, o := range w.workers {
		if is(o.Boss, id) {
			o.Boss = nil
			w.workers[i] = o
		}
	}
	for i, o := range w.jobs {
		if o.Worker == id {
			w.deleteJob(i)
		}
	}
	return nil
}

func (w *world) deleteJob(id uint64) error {
	if _, there := w.jobs[id]; !there {
		return errNaive
	}
	delete(w.jobs, id)
	for i, o := range w.steps {
		if o.Job == id {
			w.deleteStep(i)
		}
	}
	return nil
}

func (w *world) deleteStep(id uint64) error {
	if _, there := w.steps[id]; !there {
		return errNaive
	}
	delete(w.steps, id)
	for i, o := range w.tickets {
		if is(o.Step, id) {
			o.Step = nil
			w.tickets[i] = o
		}
	}
	return nil
}

// whole says that every reference leads somewhere.
func (w *world) whole() bool {
	has := func(p *uint64) bool { _, ok := w.workers[*cmpOr(p)]; return p == nil || ok }
	for _, o := range w.workers {
		if !has(o.Boss) {
			return false
		}
	}
	for _, o := range w.jobs {
		if !has(&o.Worker) {
			return false
		}
	}
	for _, o := range w.steps {
		if _, ok := w.jobs[o.Job]; !ok || !has(o.By) {
			return false
		}
	}
	for _, o := range w.tickets {
		if o.Step != nil {
			if _, ok := w.steps[*o.Step]; !ok {
				return false
			}
		}
	}
	return true
}

func cmpOr(p *uint64) *uint64 {
	if p == nil {
		return new(uint64)
	}
	return p
}

// expire removes what is due at that time.
func (w *world) expire(now time.Time) {
	maps.DeleteFunc(w.tickets, func(_ uint64, v ticket) bool { return !v.Ends.IsZero() && !v.Ends.Add(24*time.Hour).After(now) })
}

// keep notes the versions that a transaction made.
func (w *world) keep(before *world, seq uint64) {
	for id := range before.steps {
		if _, there := w.steps[id]; !there {
			delete(w.versions, id)
		}
	}
	for id, v := range w.steps {
		was, there := before.steps[id]
		if there && reflect.DeepEqual(was, v) {
			continue
		}
		list := append(slices.Clone(w.versions[id]), stepVersion{seq, v})
		w.versions[id] = list[max(0, len(list)-3):]
	}
}

// property is an engine with the four models.
type property struct {
	*rig
	workers, jobs, steps, tickets *engine.Table
}

func newProperty(t *testing.T, log []eventlog.Record, c *clock) *property {
	p := &property{}
	p.rig = startWith(t, log, func(r *rig) {
		p.workers, p.jobs, p.steps, p.tickets = register[worker](r), register[job](r), register[step](r), register[ticket](r)
	}, func(cfg *engine.Config) { cfg.Clock = c.now })
	return p
}

// op is one random operation, on the engine and on the world.
type op struct {
	real  func(tx *engine.Tx) error
	naive func(w *world) error
}

const ids = 14 // few, so that records meet

// some returns the id of a record, most often of one that is there.
func some[T any](rng *rand.Rand, all map[uint64]T) *uint64 {
	n := uint64(rng.IntN(ids) + 1)
	if list := slices.Sorted(maps.Keys(all)); len(list) > 0 && rng.IntN(12) > 0 {
		n = list[rng.IntN(len(list))]
	}
	return &n
}

// ref is some or none.
func ref[T any](rng *rand.Rand, all map[uint64]T) *uint64 {
	if rng.IntN(3) == 0 {
		return nil
	}
	return some(rng, all)
}

func (p *property) random(rng *rand.Rand, w *world, now time.Time) op {
	id := func() uint64 { return uint64(rng.IntN(ids) + 1) }
	n, what := id(), rng.IntN(13)
	// most operations are such as can be made
	insert := rng.IntN(2) == 0
	if rng.IntN(10) > 0 {
		there := false
		switch what {
		case 0, 1, 2:
			_, there = w.workers[n]
		case 3, 4, 5:
			_, there = w.jobs[n]
		case 6, 7, 8:
			_, there = w.steps[n]
		case 9, 10:
			_, there = w.tickets[n]
		}
		insert = !there
	}
	put := func(t *engine.Table, v any) func(tx *engine.Tx) error {
		if insert {
			return func(tx *engine.Tx) error { return tx.Insert(t, v) }
		}
		return func(tx *engine.Tx) error { return tx.Put(t, v) }
	}
	remove := func(t *engine.Table, id uint64) func(tx *engine.Tx) error {
		return func(tx *engine.Tx) error {
			key, err := t.Codec().KeyOf(id)
			if err != nil {
				return err
			}
			return tx.Delete(t, key)
		}
	}
	switch what {
	case 0, 1, 2:
		v := worker{ID: n, Email: fmt.Sprint(rng.IntN(2*ids), "@x"), Town: fmt.Sprint("t", rng.IntN(3)), Badge: rng.IntN(6) - 1, Boss: ref(rng, w.workers)}
		return op{put(p.workers, &v), func(w *world) error { return w.putWorker(v, insert) }}
	case 3, 4, 5:
		v := job{ID: n, Worker: *cmpOr(some(rng, w.workers)), Number: rng.IntN(4), Kind: fmt.Sprint("k", n%2+uint64(rng.IntN(8)/7))}
		return op{put(p.jobs, &v), func(w *world) error { return w.putJob(v, insert) }}
	case 6, 7, 8:
		v := step{ID: n, Job: *cmpOr(some(rng, w.jobs)), By: ref(rng, w.workers), State: fmt.Sprint("s", rng.IntN(3))}
		return op{put(p.steps, &v), func(w *world) error {
			if _, there := w.steps[n]; there == insert {
				return errNaive
			}
			w.steps[n] = v
			return nil
		}}
	case 9, 10:
		// not due at once: the engine may remove it before it is looked at, and may not
		v := ticket{ID: n, Ends: now.Add(time.Duration(rng.IntN(72)-23) * time.Hour).UTC(), Step: ref(rng, w.steps)}
		if rng.IntN(6) == 0 {
			v.Ends = time.Time{}
		}
		return op{put(p.tickets, &v), func(w *world) error {
			if _, there := w.tickets[n]; there == insert {
				return errNaive
			}
			w.tickets[n] = v
			return nil
		}}
	default:
		switch rng.IntN(4) {
		case 0:
			return op{remove(p.workers, n), func(w *world) error { return w.deleteWorker(n) }}
		case 1:
			return op{remove(p.jobs, n), func(w *world) error { return w.deleteJob(n) }}
		case 2:
			return op{remove(p.steps, n), func(w *world) error { return w.deleteStep(n) }}
		}
		return op{remove(p.tickets, n), func(w *world) error {
			if _, there := w.tickets[n]; !there {
				return errNaive
			}
			delete(w.tickets, n)
			return nil
		}}
	}
}

// records decodes all records of a table.
func records[T any](t *testing.T, r state.Reader, table *engine.Table, id func(T) uint64) map[uint64]T {
	t.Helper()
	all := map[uint64]T{}
	for _, row := range r.Scan(table.Number(), state.Range{}) {
		var v T
		if err := table.Codec().Decode(row.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all[id(v)] = v
	}
	return all
}

// checkIndexes holds every index of a table against its records.
func checkIndexes(t *testing.T, r state.Reader, table *engine.Table) {
	t.Helper()
	s := table.Schema()
	for _, x := range s.AllIndexes() {
		type place struct{ at, key string }
		var want []place
		for key, row := range r.Scan(s.Number, state.Range{}) {
			at, in, err := s.IndexKey(nil, &x, row.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if in {
				want = append(want, place{string(at) + key, key})
			}
		}
		slices.SortFunc(want, func(a, b place) int { return bytes.Compare([]byte(a.at), []byte(b.at)) })
		i := 0
		for key := range r.ScanIndex(s.Number, x.Number, state.Range{}) {
			if i >= len(want) || want[i].key != key {
				t.Fatalf("index %s of %s: entry %d is of %x", s.IndexName(&x), s.Model, i, key)
			}
			i++
		}
		if i != len(want) {
			t.Fatalf("index %s of %s has %d entries, want %d", s.IndexName(&x), s.Model, i, len(want))
		}
	}
}

// check holds a state against the world.
func (p *property) check(t *testing.T, when string, r *state.Root, w *world) {
	t.Helper()
	for name, pair := range map[string][2]any{
		"workers": {records(t, r, p.workers, func(v worker) uint64 { return v.ID }), w.workers},
		"jobs":    {records(t, r, p.jobs, func(v job) uint64 { return v.ID }), w.jobs},
		"steps":   {records(t, r, p.steps, func(v step) uint64 { return v.ID }), w.steps},
		"tickets": {records(t, r, p.tickets, func(v ticket) uint64 { return v.ID }), w.tickets},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Fatalf("%s: %s are %+v, want %+v", when, name, pair[0], pair[1])
		}
	}
	for _, table := range []*engine.Table{p.workers, p.jobs, p.steps, p.tickets} {
		checkIndexes(t, r, table)
	}
	kept := 0
	for id := range uint64(ids + 1) {
		key, err := p.steps.Codec().KeyOf(id)
		if err != nil {
			t.Fatal(err)
		}
		var have []stepVersion
		for v, err := range p.e.Versions(r, p.steps, key) {
			if err != nil {
				t.Fatal(err)
			}
			one := stepVersion{seq: v.Seq}
			if err := p.steps.Codec().Decode(v.Record, &one.step); err != nil {
				t.Fatal(err)
			}
			have = append(have, one)
		}
		if slices.Reverse(have); !reflect.DeepEqual(have, w.versions[id]) {
			t.Fatalf("%s: the versions of step %d are %+v, want %+v", when, id, have, w.versions[id])
		}
		kept += len(have)
	}
	if s := r.SchemaByName("_versions"); r.Len(s.Number) != kept {
		t.Fatalf("%s: %d versions are kept, %d of them of records", when, r.Len(s.Number), kept)
	}
	if s := r.SchemaByName("_audit"); r.Len(s.Number) != len(w.jobs) {
		t.Fatalf("%s: %d audits of %d jobs", when, r.Len(s.Number), len(w.jobs))
	}
	if err := r.VerifyHash(nil); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
}

// Random transactions over models that refer to each other, with unique, composite and
// partial indexes, versions, audits and retention: what the engine holds, what a replay of
// its log gives, what a snapshot gives back and a naive model agree, hashes included.
func TestManyRandomTransactions(t *testing.T) {
	seeds, operations := 6, 4000
	if os.Getenv("LITHAIR_LONG") != "" {
		seeds, operations = 10, 100_000
	} else {
		t.Logf("short form: %d seeds of %d operations; LITHAIR_LONG=1 does 10 of 100000", seeds, operations)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { testProperty(t, uint64(seed), operations) })
	}
}

func testProperty(t *testing.T, seed uint64, operations int) {
	rng := rand.New(rand.NewPCG(seed, 31))
	c := &clock{}
	c.ns.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	p := newProperty(t, nil, c)
	done := make(chan struct{})
	defer close(done)
	go func() { // the order tells of every proposal
		for {
			select {
			case <-p.o.arrived:
			case <-done:
				return
			}
		}
	}()
	w := newWorld()
	committed, refused, made := 0, 0, 0
	for made < operations {
		c.add(time.Duration(rng.IntN(300)) * time.Minute)
		w.expire(c.now())
		var ops []op
		for range 1 + rng.IntN(3)*rng.IntN(2) {
			ops = append(ops, p.random(rng, w, c.now()))
		}
		made += len(ops)
		next := w.clone()
		var want error
		for _, o := range ops {
			if want = o.naive(next); want != nil {
				break
			}
		}
		if want == nil && !next.whole() {
			want = errNaive
		}
		res, err := p.e.Do(t.Context(), engine.Command{Actor: fmt.Sprint(made), Run: func(tx *engine.Tx) (engine.Answer, error) {
			for _, o := range ops {
				if err := o.real(tx); err != nil {
					return engine.Answer{}, err
				}
			}
			return engine.Answer{}, nil
		}})
		if (err == nil) != (want == nil) {
			t.Fatalf("operation %d: %v, the naive model says %v", made, err, want)
		}
		if refused++; err == nil {
			refused, committed = refused-1, committed+1
			next.keep(w, res.Seq)
			w = next
		}
		if rng.IntN(200) == 0 || made >= operations {
			p.check(t, fmt.Sprint("live, operation ", made), p.e.Root(), w)
		}
	}
	live := p.e.Root()
	var buf bytes.Buffer
	if err := live.WriteSnapshot(&buf, nil); err != nil {
		t.Fatal(err)
	}
	restored, _, err := state.ReadSnapshot(bytes.NewReader(buf.Bytes()), int64(buf.Len()), state.RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.check(t, "restored", restored, w)
	again := newProperty(t, p.o.log, c)
	if again.e.Root().Seq() != live.Seq() {
		t.Fatalf("the replay ends at %d, not %d", again.e.Root().Seq(), live.Seq())
	}
	again.check(t, "replayed", again.e.Root(), w)
	if restored.Hash() != live.Hash() || again.e.Root().Hash() != live.Hash() {
		t.Fatal("hashes differ")
	}
	if committed < operations/8 || refused < operations/8 {
		t.Errorf("of %d operations %d transactions were committed and %d refused: too few of one kind", made, committed, refused)
	}
	t.Logf("%d operations, %d transactions committed, %d refused, %d entries", made, committed, refused, len(p.o.log))
}

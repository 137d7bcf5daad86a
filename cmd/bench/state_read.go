package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// readings is an application with n readings, or its opponent: a map under a RWMutex.
type readings struct {
	app  *lithair.App
	col  *lithair.Collection[Reading]
	n    int
	stop func() error
}

func openReadings(dir string, n int) (*readings, error) {
	dir, err := os.MkdirTemp(dir, "lithair-bench-state")
	if err != nil {
		return nil, err
	}
	a := lithair.New(lithair.Config{Name: "bench", Dir: dir, Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	r := &readings{app: a, col: lithair.Model[Reading](a, ""), n: n}
	r.stop = func() error {
		err := a.Shutdown(context.Background())
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
		return err
	}
	if err := a.Start(context.Background()); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	for from := 0; from < n; from += 10_000 {
		err := a.Update(context.Background(), func(tx *lithair.Tx) error {
			for i := from; i < min(from+10_000, n); i++ {
				v := reading(i)
				if err := r.col.Insert(tx, &v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.stop()
			return nil, err
		}
	}
	return r, nil
}

func reading(i int) Reading {
	return Reading{ID: scattered(i), Device: uint32(i % 1000), At: int64(i), X: float64(i), Y: 1 / float64(i+1)}
}

// saturate changes records from 32 goroutines, one durable transaction each, until the
// function it returns is called, which says how many there were.
func (r *readings) saturate() (done func() (int64, error)) {
	var stop atomic.Bool
	var count atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 32)
	for w := range 32 {
		wg.Go(func() {
			for i := w; !stop.Load(); i += 32 {
				v := reading(i * 7919 % r.n)
				v.At += int64(i)
				if err := r.app.Update(context.Background(), func(tx *lithair.Tx) error { return r.col.Put(tx, &v) }); err != nil {
					errs <- err
					return
				}
				count.Add(1)
			}
		})
	}
	return func() (int64, error) {
		stop.Store(true)
		wg.Wait()
		select {
		case err := <-errs:
			return count.Load(), err
		default:
			return count.Load(), nil
		}
	}
}

var readColumns = []column{
	{Name: "rate", Unit: "reads/s", Ratio: true},
	{Name: "p50_ns", Unit: "p50 ns", Low: true},
	{Name: "p99_us", Unit: "p99 µs", Low: true},
	{Name: "p999_us", Unit: "p99.9 µs", Low: true},
	{Name: "max_ms", Unit: "max ms", Low: true},
	{Name: "allocs", Unit: "allocs/read", Low: true},
	{Name: "writes", Unit: "writes/s beside"},
}

// timeReads reads by id from that many goroutines for d.
func timeReads(n, readers int, d time.Duration, read func(i int) error) (figures, error) {
	var wg sync.WaitGroup
	lats := make([][]int64, readers)
	for r := range lats {
		lats[r] = make([]int64, 0, 4_000_000)
	}
	errs := make([]error, readers)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	end := begin.Add(d)
	for r := range readers {
		wg.Go(func() {
			for i := r + 1; ; i += 7907 {
				t := time.Now()
				if len(lats[r]) > 0 && !t.Before(end) || len(lats[r]) == cap(lats[r]) {
					return
				}
				if errs[r] = read(i % n); errs[r] != nil {
					return
				}
				lats[r] = append(lats[r], int64(time.Since(t)))
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	all := slices.Concat(lats...)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	at := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))]) }
	return figures{"rate": float64(len(all)) / took.Seconds(), "p50_ns": at(.5), "p99_us": at(.99) / 1e3, "p999_us": at(.999) / 1e3,
		"max_ms": at(1) / 1e6, "allocs": float64(after.Mallocs-before.Mallocs) / float64(len(all))}, nil
}

// measureReads times point reads by id from Go, alone and beside writers, from one and
// from all cores, against a map under a RWMutex that one goroutine writes to all the time.
func measureReads(o stateOptions, rep *report) error {
	r, err := openReadings(o.dir, o.records)
	if err != nil {
		return err
	}
	defer r.stop()
	view := func(i int) error {
		return r.app.View(func(s *lithair.Snapshot) error {
			_, err := r.col.Get(s, scattered(i))
			return err
		})
	}
	m := newLockedMap(o.records)
	d := o.d
	for _, c := range []struct {
		title    string
		readers  int
		writing  bool
		snapshot bool
	}{{"one reader, nothing written", 1, false, false}, {"a reader for each CPU, nothing written", runtime.NumCPU(), false, false}, {"one reader, writers saturating", 1, true, false}} {
		title := fmt.Sprintf("point read by id from Go among %d records: %s", o.records, c.title)
		all, names := map[string]samples{"lithair": {}, "map under a RWMutex": {}}, []string{"map under a RWMutex", "lithair"}
		for range o.rounds {
			for _, name := range names {
				read, write := view, r.saturate
				if name != "lithair" {
					read, write = m.read, m.saturate
				}
				done := func() (int64, error) { return 0, nil }
				if c.writing {
					done = write()
				}
				f, err := timeReads(o.records, c.readers, d, read)
				n, werr := done()
				if err == nil {
					err = werr
				}
				if err != nil {
					return err
				}
				f["writes"] = float64(n) / d.Seconds()
				all[name].add(f)
			}
		}
		rep.add(title, "lithair decodes the record into a struct; its writers wait for the disk, those of the map for nothing; the clock costs about 80 ns of each read", names, all, readColumns)
	}
	return nil
}

// lockedMap is what one would use instead.
type lockedMap struct {
	mu sync.RWMutex
	m  map[[16]byte]Reading
	n  int
}

func newLockedMap(n int) *lockedMap {
	m := &lockedMap{m: make(map[[16]byte]Reading, n), n: n}
	for i := range n {
		m.m[scattered(i)] = reading(i)
	}
	return m
}

func (m *lockedMap) read(i int) error {
	m.mu.RLock()
	_, ok := m.m[scattered(i)]
	m.mu.RUnlock()
	if !ok {
		return fmt.Errorf("reading %d is not there", i)
	}
	return nil
}

func (m *lockedMap) put(v Reading) {
	m.mu.Lock()
	m.m[v.ID] = v
	m.mu.Unlock()
}

func (m *lockedMap) saturate() func() (int64, error) {
	var stop atomic.Bool
	n := make(chan int64, 1)
	go func() {
		count := int64(0)
		for i := 0; !stop.Load(); i++ {
			m.put(reading(i * 7919 % m.n))
			count++
		}
		n <- count
	}()
	return func() (int64, error) { stop.Store(true); return <-n, nil }
}

// measurePauses times reads while the garbage is collected all the time, and while a
// snapshot is written all the time.
func measurePauses(o stateOptions, rep *report) error {
	r, err := openReadings(o.dir, o.records)
	if err != nil {
		return err
	}
	defer r.stop()
	view := func(i int) error {
		return r.app.View(func(s *lithair.Snapshot) error {
			_, err := r.col.Get(s, scattered(i))
			return err
		})
	}
	title := fmt.Sprintf("point read by id from Go among %d records, one reader, writers saturating", o.records)
	all, names := map[string]samples{}, []string{"nothing else", "collections without end", "snapshots without end"}
	for _, name := range names {
		all[name] = samples{}
	}
	for range o.rounds {
		for _, name := range names {
			var stop atomic.Bool
			ended := make(chan error, 1)
			go func() {
				var err error
				for err == nil && !stop.Load() {
					switch name {
					case names[1]:
						runtime.GC()
					case names[2]:
						err = r.app.Snapshot(context.Background())
					default:
						time.Sleep(10 * time.Millisecond)
					}
				}
				ended <- err
			}()
			done := r.saturate()
			f, err := timeReads(r.n, 1, o.d, view)
			n, werr := done()
			stop.Store(true)
			serr := <-ended
			for _, e := range []error{werr, serr} {
				if err == nil {
					err = e
				}
			}
			if err != nil {
				return err
			}
			f["writes"] = float64(n) / o.d.Seconds()
			all[name].add(f)
		}
	}
	rep.add(title, "one after the other, over and over, as long as reads are timed", names, all, readColumns)
	return nil
}

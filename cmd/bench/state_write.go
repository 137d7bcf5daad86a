package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
)

var writeColumns = []column{
	{Name: "cpu_us", Unit: "CPU µs per write", Low: true, Ratio: true},
	{Name: "rate", Unit: "writes/s"},
}

const writers = 64

// measureWrites compares the CPU of a durable transaction with what is below it anyway: a
// map under a RWMutex and the same bytes in the same log. Both have 64 writers.
func measureWrites(o stateOptions, rep *report) error {
	title := fmt.Sprintf("a durable change of one record, %d writers", writers)
	all, names := map[string]samples{"map and log": {}, "engine": {}}, []string{"map and log", "engine"}
	d := o.d
	for range o.rounds {
		for _, name := range names {
			dir, err := os.MkdirTemp(o.dir, "lithair-bench-write")
			if err != nil {
				return err
			}
			work := writeEngine
			if name != "engine" {
				work = writeMap
			}
			f, err := work(dir, d)
			if e := os.RemoveAll(dir); err == nil {
				err = e
			}
			if err != nil {
				return err
			}
			all[name].add(f)
		}
	}
	rep.add(title, "the map's writers each encode and append a record of the size of an entry of one transaction, and share syncs", names, all, writeColumns)
	return nil
}

// timeWrites runs write from all writers for d.
func timeWrites(d time.Duration, write func(i int) error) (figures, error) {
	var wg sync.WaitGroup
	var count atomic.Int64
	errs := make([]error, writers)
	cpu, begin := cpuNow(), time.Now()
	for w := range writers {
		wg.Go(func() {
			for i := w; time.Since(begin) < d; i += writers {
				if errs[w] = write(i); errs[w] != nil {
					return
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	took, used := time.Since(begin), cpuNow()-cpu
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	n := float64(count.Load())
	return figures{"cpu_us": float64(used.Microseconds()) / n, "rate": n / took.Seconds()}, nil
}

// writeSet is how many records the writers change.
const writeSet = 100_000

func writeMap(dir string, d time.Duration) (figures, error) {
	log, err := eventlog.Open(eventlog.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer log.Close()
	m, err := model.Of(reflect.TypeFor[Reading]())
	if err != nil {
		return nil, err
	}
	s, _, err := m.Evolve(nil)
	if err != nil {
		return nil, err
	}
	codec, err := m.Bind(s)
	if err != nil {
		return nil, err
	}
	table := newLockedMap(writeSet)
	return timeWrites(d, func(i int) error {
		v := reading(i % writeSet)
		v.At = int64(i)
		rec := make([]byte, 0, 128)
		rec = append(rec, "command and key in front "...)
		rec, err := codec.Append(rec, &v)
		if err != nil {
			return err
		}
		if _, err := log.Add(eventlog.Record{Term: 1, Kind: engine.KindBatch, Time: 1, Payload: rec}); err != nil {
			return err
		}
		table.put(v)
		return nil
	})
}

func writeEngine(dir string, d time.Duration) (figures, error) {
	e, table, err := openEngine(dir)
	if err != nil {
		return nil, err
	}
	defer e.Close(context.Background())
	err = inBatches(e, writeSet, 10_000, func(tx *engine.Tx, i int) error { v := reading(i); return tx.Insert(table, &v) })
	if err != nil {
		return nil, err
	}
	return timeWrites(d, func(i int) error {
		v := reading(i % writeSet)
		v.At = int64(i + writeSet)
		_, err := e.Do(context.Background(), engine.Command{Name: "change", Run: func(tx *engine.Tx) (engine.Answer, error) { return engine.Answer{}, tx.Put(table, &v) }})
		return err
	})
}

// openEngine is an engine with readings over a log, without snapshots.
func openEngine(dir string) (*engine.Engine, *engine.Table, error) {
	quiet := slog.New(slog.DiscardHandler)
	e, err := engine.New(engine.Config{Logger: quiet, Open: func(sink engine.Sink) (engine.Order, error) {
		log, err := eventlog.Open(eventlog.Config{Dir: dir, Logger: quiet})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: log, Sink: sink})
	}})
	if err != nil {
		return nil, nil, err
	}
	m, err := model.Of(reflect.TypeFor[Reading]())
	if err != nil {
		return nil, nil, err
	}
	table, err := e.Register(m)
	if err != nil {
		return nil, nil, err
	}
	return e, table, e.Start(context.Background())
}

// inBatches runs fn for 0 to n-1, size of them in a transaction.
func inBatches(e *engine.Engine, n, size int, fn func(tx *engine.Tx, i int) error) error {
	for from := 0; from < n; from += size {
		_, err := e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			for i := from; i < min(from+size, n); i++ {
				if err := fn(tx, i); err != nil {
					return engine.Answer{}, err
				}
			}
			return engine.Answer{}, nil
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

var replayColumns = []column{
	{Name: "seconds", Unit: "seconds", Low: true},
	{Name: "rate", Unit: "events/s"},
	{Name: "cpu_s", Unit: "CPU s", Low: true},
}

// measureReplay starts over a log without any snapshot. Of the events, half make records,
// half change them.
func measureReplay(o stateOptions, rep *report) error {
	title := fmt.Sprintf("start by replay of %d events, no snapshot", o.records)
	all, names := map[string]samples{}, []string{"one event in a transaction", "100 events in a transaction"}
	for _, name := range names {
		all[name] = samples{}
		size := 100
		if name == names[0] {
			size = 1
		}
		f, err := replayOf(o, size)
		if err != nil {
			return err
		}
		for _, one := range f {
			all[name].add(one)
		}
	}
	rep.add(title, "from opening the log to leading; hash checked against that before; the log is in the system's cache", names, all, replayColumns)
	return nil
}

func replayOf(o stateOptions, size int) (list []figures, err error) {
	dir, err := os.MkdirTemp(o.dir, "lithair-bench-replay")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	hash, err := fillReplay(dir, o.records, size)
	if err != nil {
		return nil, err
	}
	for range o.rounds {
		settled()
		cpu, begin := cpuNow(), time.Now()
		e, _, err := openEngine(dir)
		if err != nil {
			return nil, err
		}
		took, used := time.Since(begin), cpuNow()-cpu
		got := e.Root().Hash()
		if err := e.Close(context.Background()); err != nil {
			return nil, err
		}
		if got != hash {
			return nil, fmt.Errorf("the replay gives hash %x, it was %x", got, hash)
		}
		list = append(list, figures{"seconds": took.Seconds(), "rate": float64(o.records) / took.Seconds(), "cpu_s": used.Seconds()})
	}
	return list, nil
}

// fillReplay writes a log of n events, size in a transaction.
func fillReplay(dir string, n, size int) (hash [16]byte, err error) {
	e, table, err := openEngine(dir)
	if err != nil {
		return hash, err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, 512)
	for w := range errs {
		wg.Go(func() {
			for {
				from := int(next.Add(int64(size))) - size
				if from >= n || errs[w] != nil {
					return
				}
				_, errs[w] = e.Do(context.Background(), engine.Command{Name: "fill", Run: func(tx *engine.Tx) (engine.Answer, error) {
					for i := from; i < min(from+size, n); i++ {
						v := reading(i / 2)
						v.At = int64(i)
						if err := tx.Upsert(table, &v); err != nil {
							return engine.Answer{}, err
						}
					}
					return engine.Answer{}, nil
				}})
			}
		})
	}
	wg.Wait()
	hash = e.Root().Hash()
	for _, e := range errs {
		if err == nil {
			err = e
		}
	}
	if e := e.Close(context.Background()); err == nil {
		err = e
	}
	return hash, err
}

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/lithair/lithair-go/eventlog"
)

// logWorker answers, with eventlog:
//
//	sync1 <size> <ms>     one writer, durable before each return
//	sync64 <size> <ms>    64 writers, one record each, syncs shared
//	serial64 <size> <ms>  64 writers taking turns
//	nosync <size> <ms>    one writer that does not wait: see stream
//	nosync100 <size> <ms> the same, 100 records for each call
//	replay <n> <ms>       reopen n records of 256 bytes and read them all
//
// With -no-chain before everything else, logs that are written have no chain.
type logWorker struct {
	root   string
	filled map[int]string // folder by number of records in it

	noChain bool
}

func runLogWorker(args []string) error {
	noChain := len(args) > 0 && args[0] == "-no-chain"
	if noChain {
		args = args[1:]
	}
	if len(args) == 3 { // a child of its own: fill|reopen <dir> <n>
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		if args[0] == "fill" {
			return fillLog(args[1], n)
		}
		return reopenLog(args[1], n)
	}
	root, err := os.MkdirTemp("", "lithair-bench-log")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	w := &logWorker{root: root, filled: map[int]string{}, noChain: noChain}
	return serveLines(os.Stdin, os.Stdout, w.work)
}

func (w *logWorker) work(a []string) (figures, error) {
	if len(a) != 3 {
		return nil, fmt.Errorf("want <case> <number> <ms>")
	}
	n, err := strconv.Atoi(a[1])
	if err != nil {
		return nil, err
	}
	d, err := millis(a[2])
	if err != nil {
		return nil, err
	}
	switch a[0] {
	case "sync1", "sync64", "serial64":
		return w.append(a[0], n, d)
	case "replay":
		return w.replay(n)
	case "nosync":
		return w.stream(1, n, d)
	case "nosync100":
		return w.stream(100, n, d)
	case "disk":
		return nil, errNotApplicable
	}
	return nil, fmt.Errorf("no such case: %s", a[0])
}

func (w *logWorker) append(how string, size int, d time.Duration) (figures, error) {
	dir, err := os.MkdirTemp(w.root, "log")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	l, err := eventlog.Open(eventlog.Config{Dir: dir, NoChain: w.noChain})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	s := &appender{log: l, payload: randomBytes(size)}
	switch how {
	case "sync1":
		return measureMany(1, d, size, s.append)
	case "serial64":
		return measureMany(64, d, size, s.serial)
	}
	return measureMany(64, d, size, s.append)
}

// appender has the log number its records.
type appender struct {
	log     *eventlog.Log
	payload []byte
	turn    sync.Mutex
}

// append returns when the record is durable; writers that wait at the same time share a
// sync.
func (a *appender) append() error {
	_, err := a.log.Add(eventlog.Record{Term: 1, Kind: 1, Payload: a.payload})
	return err
}

// serial holds the turn until the record is durable.
func (a *appender) serial() error {
	a.turn.Lock()
	defer a.turn.Unlock()
	return a.append()
}

// streamBytes is how much may be on its way to the disk before the writer waits.
const streamBytes = 4 << 20

// stream appends without waiting for the disk. Other logs hand each record to the system
// and never sync. This one returns when the record is in its memory, writes many at once
// and syncs them all the same: what a crash can take is at most streamBytes, here of a
// killed process too. The time of the last sync counts.
func (w *logWorker) stream(each, size int, d time.Duration) (figures, error) {
	dir, err := os.MkdirTemp(w.root, "log")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	l, err := eventlog.Open(eventlog.Config{Dir: dir, NoChain: w.noChain})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	recs := make([]eventlog.Record, each)
	payload := randomBytes(size)
	next := uint64(1)
	window := uint64(max(1, streamBytes/size/each)) * uint64(each)
	synced := make(chan error, 4) // more than can be on their way, so that the log never waits here
	m, err := measureMany(1, d, size*each, func() error {
		for i := range recs {
			recs[i] = eventlog.Record{Index: next, Term: 1, Kind: 1, Payload: payload}
			next++
		}
		var done func(error)
		if half := window / 2; next/half != (next-uint64(each))/half { // two halves of the window are on their way at most
			done = func(err error) { synced <- err }
		}
		if done != nil && next > window {
			if err := <-synced; err != nil {
				return err
			}
		}
		l.AppendAsync(recs, done)
		return l.Err()
	})
	if err != nil {
		return nil, err
	}
	m["rate"] *= float64(each)
	m["cpu_us"] /= float64(each)
	return m, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// replay fills a log once and reopens it each time, both in processes of their own: a
// log is really closed only when its process has ended.
func (w *logWorker) replay(n int) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	count := strconv.Itoa(n)
	dir := w.filled[n]
	if dir == "" {
		if dir, err = os.MkdirTemp(w.root, "replay"); err != nil {
			return nil, err
		}
		if out, err := exec.Command(self, "worker", "log", "fill", dir, count).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("fill: %w: %s", err, out)
		}
		w.filled[n] = dir
	}
	out, err := exec.Command(self, "worker", "log", "reopen", dir, count).Output()
	if err != nil {
		return nil, fmt.Errorf("reopen: %w: %s", err, out)
	}
	var took, cpu time.Duration
	if _, err := fmt.Sscan(string(out), (*int64)(&took), (*int64)(&cpu)); err != nil {
		return nil, err
	}
	return figures{"rate": float64(n) / took.Seconds(), "mbs": float64(n) * 256 / took.Seconds() / 1e6,
		"ms": float64(took.Microseconds()) / 1e3, "cpu_us": float64(cpu.Microseconds()) / float64(n)}, nil
}

func fillLog(dir string, n int) error {
	l, err := eventlog.Open(eventlog.Config{Dir: dir})
	if err != nil {
		return err
	}
	payload := randomBytes(256)
	for i := 0; i < n; {
		batch := make([]eventlog.Record, min(1000, n-i))
		for k := range batch {
			i++
			batch[k] = eventlog.Record{Index: uint64(i), Term: 1, Kind: 1, Payload: payload}
		}
		if err := l.Append(batch...); err != nil {
			return err
		}
	}
	return l.Close()
}

// reopenLog prints how long opening and reading everything took, and its CPU time, in ns.
func reopenLog(dir string, n int) error {
	got, sum := 0, byte(0)
	cpu, begin := cpuNow(), time.Now()
	l, err := eventlog.Open(eventlog.Config{Dir: dir})
	if err != nil {
		return err
	}
	err = l.Replay(l.First(), func(r eventlog.Record) error { got++; sum ^= r.Payload[0]; return nil })
	took := time.Since(begin)
	cpu = cpuNow() - cpu
	if err != nil {
		return err
	}
	if got != n {
		return fmt.Errorf("replayed %d of %d records (%x)", got, n, sum)
	}
	fmt.Println(int64(took), int64(cpu))
	return l.Close()
}

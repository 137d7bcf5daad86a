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
//	replay <n> <ms>       reopen n records of 256 bytes and read them all
//
// Writing without a sync (nosync, nosync100) does not apply: the log has no such mode.
type logWorker struct {
	root   string
	filled map[int]string // folder by number of records in it
}

func runLogWorker(args []string) error {
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
	w := &logWorker{root: root, filled: map[int]string{}}
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
	case "nosync", "nosync100", "disk":
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
	l, err := eventlog.Open(eventlog.Config{Dir: dir})
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

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/jsonx"
)

// errNotApplicable says that a contestant has no such operation.
var errNotApplicable = errors.New("not applicable")

// figures are one answer of a worker: names and numbers.
type figures = map[string]float64

// runWorker speaks the line protocol of a measuring harness: one request line on
// standard input, one answer line on standard output, "R " and the figures as a JSON
// object, or "E " and a message. It ends when its input ends.
func runWorker(args []string) error {
	if len(args) == 0 {
		return errors.New("which worker: json, bin, log or raft")
	}
	switch args[0] {
	case "json":
		return serveLines(os.Stdin, os.Stdout, jsonWork)
	case "bin":
		c, err := newBinCodec()
		if err != nil {
			return err
		}
		return serveLines(os.Stdin, os.Stdout, c.work)
	case "log":
		return runLogWorker(args[1:])
	case "raft":
		fs := flag.NewFlagSet("bench worker raft", flag.ExitOnError)
		patient := fs.Bool("patient-failover", false, "wait out election timeouts, as others do, where a leader's port refuses")
		parse(fs, args[1:])
		return serveLines(os.Stdin, os.Stdout, func(a []string) (figures, error) { return raftWork(a, !*patient) })
	}
	return fmt.Errorf("no such worker: %s", args[0])
}

// serveLines answers request lines until the input ends.
func serveLines(in io.Reader, out io.Writer, do func(args []string) (figures, error)) error {
	sc := bufio.NewScanner(in)
	for sc.Scan() {
		m, err := contain(do, strings.Fields(sc.Text()))
		var line []byte
		if err == nil {
			line, err = jsonx.Append([]byte("R "), m)
		}
		if err != nil {
			line = []byte("E " + strings.ReplaceAll(err.Error(), "\n", " "))
		}
		// The empty line first ends whatever a contestant may have printed.
		if _, err := fmt.Fprintf(out, "\n%s\n", line); err != nil {
			return err
		}
	}
	return sc.Err()
}

// contain turns a panic of one request into its error.
func contain(do func([]string) (figures, error), args []string) (m figures, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return do(args)
}

func millis(s string) (time.Duration, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is no number of milliseconds", s)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// measure runs op, which does its work n times, for about d and returns ns, cpu_ns,
// allocs and bytes for each time.
func measure(op func(n int) error, d time.Duration) (figures, error) {
	if err := op(1); err != nil {
		return nil, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, begin := cpuNow(), time.Now()
	n, total := 1, 0
	for {
		if err := op(n); err != nil {
			return nil, err
		}
		total += n
		took := time.Since(begin)
		if took >= d {
			break
		}
		n = max(1, int(float64(d/10)/(float64(took)/float64(total))))
	}
	took := time.Since(begin)
	cpu = cpuNow() - cpu
	runtime.ReadMemStats(&after)
	f := float64(total)
	return figures{
		"ns":     float64(took.Nanoseconds()) / f,
		"cpu_ns": float64(cpu.Nanoseconds()) / f,
		"allocs": float64(after.Mallocs-before.Mallocs) / f,
		"bytes":  float64(after.TotalAlloc-before.TotalAlloc) / f,
	}, nil
}

// measureMany runs f on n goroutines for d and returns rate, mbs (of size bytes each),
// quantiles of the time of a call and cpu_us for each call.
func measureMany(n int, d time.Duration, size int, f func() error) (figures, error) {
	for range 20 {
		if err := f(); err != nil {
			return nil, err
		}
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	var all sharedHistogram
	errs := make([]error, n)
	cpu, begin := cpuNow(), time.Now()
	for i := range n {
		wg.Go(func() {
			lats := sampler{into: &all}
			defer lats.flush()
			for more := true; more; more = !stop.Load() { // once at least, however late the machine is
				t := time.Now()
				if errs[i] = f(); errs[i] != nil {
					return
				}
				lats.add(int64(time.Since(t)))
			}
		})
	}
	time.Sleep(d)
	stop.Store(true)
	wg.Wait()
	took := time.Since(begin)
	cpu = cpuNow() - cpu
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	rate := float64(all.n) / took.Seconds()
	m := figures{"rate": rate, "mbs": rate * float64(size) / 1e6, "cpu_us": float64(cpu.Microseconds()) / float64(all.n)}
	all.into(m)
	return m, nil
}

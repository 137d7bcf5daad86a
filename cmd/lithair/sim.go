package main

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/sim"
)

func setupSim(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	seed := fs.Uint64("seed", 0, "of the first run")
	runs := fs.Int("runs", 1, "how many, with the seeds that follow")
	parallel := fs.Int("parallel", runtime.GOMAXPROCS(0), "how many at a time; stories are told one after the other")
	trace := fs.Bool("trace", false, "tell the story of each run")
	messages := fs.Bool("messages", false, "and every message in it")
	all := fs.Bool("all", false, "go on after a run that fails")
	return func(c *cli.Console, _ cli.Input) error {
		for name, n := range map[string]int{"runs": *runs, "parallel": *parallel} {
			if n < 1 {
				return &cli.ExitError{Code: cli.CodeUsage, Err: fmt.Errorf("-%s is %d; it must be positive", name, n)}
			}
		}
		cfg := sim.Config{Messages: *messages}
		if *trace || *messages {
			cfg.Trace, *parallel = func(line string) { fmt.Fprintln(c.Out, line) }, 1
		}
		return simulate(c, cfg, *seed, *runs, min(*parallel, *runs), *all)
	}
}

// simulate runs seeds, so many at a time, and sums up. What it says of them is in their order.
func simulate(c *cli.Console, cfg sim.Config, seed uint64, runs, parallel int, all bool) error {
	debug.SetGCPercent(400) // runs are short, and leave much behind
	sum := summary{out: c.Out, total: map[string]int{}}
	begun, told := time.Now(), time.Now()
	for r := range each(cfg, seed, runs, parallel) {
		sum.add(r)
		if sum.failed > 0 && !all {
			break
		}
		if time.Since(told) >= time.Minute {
			told = time.Now()
			fmt.Fprintf(c.Err, "%d of %d runs, %d failed, %v\n", sum.done, runs, sum.failed, time.Since(begun).Round(time.Second))
		}
	}
	sum.print(time.Since(begun))
	if sum.failed > 0 {
		return &cli.ExitError{Code: cli.CodeFailed, Err: nil}
	}
	return nil
}

// each yields the results of the runs in the order of their seeds.
func each(cfg sim.Config, seed uint64, runs, parallel int) func(yield func(*sim.Result) bool) {
	return func(yield func(*sim.Result) bool) {
		var next atomic.Int64
		var stopped atomic.Bool
		var workers sync.WaitGroup
		results := make(chan *sim.Result, parallel)
		for range parallel {
			workers.Go(func() {
				for i := next.Add(1) - 1; i < int64(runs) && !stopped.Load(); i = next.Add(1) - 1 {
					cfg := cfg
					cfg.Seed = seed + uint64(i)
					results <- sim.Run(cfg)
				}
			})
		}
		go func() {
			workers.Wait()
			close(results)
		}()
		early, due := map[uint64]*sim.Result{}, seed
		for r := range results {
			early[r.Seed] = r
			for r := early[due]; r != nil && !stopped.Load(); r = early[due] {
				delete(early, due)
				due++
				if !yield(r) {
					stopped.Store(true)
				}
			}
		}
	}
}

// summary is what came of some runs.
type summary struct {
	out                io.Writer
	done, failed       int
	simulated, slowest time.Duration
	total              map[string]int
}

// add counts a run, and tells of its failure.
func (s *summary) add(r *sim.Result) {
	s.done++
	s.simulated += r.Simulated
	s.slowest = max(s.slowest, r.Recovery)
	for k, v := range r.Stats {
		s.total[k] += v
	}
	if r.Failed() {
		s.failed++
		fmt.Fprintf(s.out, "seed %d fails after %v: %s\n%s", r.Seed, r.Simulated, r.Failure, r.Stack)
		fmt.Fprintln(s.out, r.Replay())
	}
}

func (s *summary) print(took time.Duration) {
	var names []string
	for k := range s.total {
		names = append(names, k)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, k := range names {
		fmt.Fprintf(&b, "  %-32s %d\n", k, s.total[k])
	}
	fmt.Fprintf(s.out, "%d runs, %d failed; %v simulated in %v; after the faults all was well within %v\n%s", s.done, s.failed,
		s.simulated.Round(time.Second), took.Round(time.Millisecond), s.slowest, b.String())
}

package main

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/sim"
)

func setupSim(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	seed := fs.Uint64("seed", 0, "of the first run")
	runs := fs.Int("runs", 1, "how many, with the seeds that follow")
	trace := fs.Bool("trace", false, "tell the story of each run")
	messages := fs.Bool("messages", false, "and every message in it")
	all := fs.Bool("all", false, "go on after a run that fails")
	return func(c *cli.Console, _ cli.Input) error {
		if *runs < 1 {
			return &cli.ExitError{Code: cli.CodeUsage, Err: fmt.Errorf("-runs is %d; it must be positive", *runs)}
		}
		cfg := sim.Config{Messages: *messages}
		if *trace || *messages {
			cfg.Trace = func(line string) { fmt.Fprintln(c.Out, line) }
		}
		return simulate(c, cfg, *seed, *runs, *all)
	}
}

// simulate runs seeds, one after the other, and sums up.
func simulate(c *cli.Console, cfg sim.Config, seed uint64, runs int, all bool) error {
	debug.SetGCPercent(400) // runs are short, and leave much behind
	begun, failed, done := time.Now(), 0, 0
	simulated, slowest := time.Duration(0), time.Duration(0)
	total := map[string]int{}
	for ; done < runs && (all || failed == 0); done++ {
		cfg.Seed = seed + uint64(done)
		r := sim.Run(cfg)
		simulated += r.Simulated
		slowest = max(slowest, r.Recovery)
		for k, v := range r.Stats {
			total[k] += v
		}
		if r.Failed() {
			failed++
			fmt.Fprintf(c.Out, "seed %d fails after %v: %s\n%s", r.Seed, r.Simulated, r.Failure, r.Stack)
			fmt.Fprintln(c.Out, r.Replay())
		}
	}
	var names []string
	for k := range total {
		names = append(names, k)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, k := range names {
		fmt.Fprintf(&b, "  %-32s %d\n", k, total[k])
	}
	took := time.Since(begun)
	fmt.Fprintf(c.Out, "%d runs, %d failed; %v simulated in %v; after the faults all was well within %v\n%s", done, failed,
		simulated.Round(time.Second), took.Round(time.Millisecond), slowest, b.String())
	if failed > 0 {
		return &cli.ExitError{Code: cli.CodeFailed, Err: nil}
	}
	return nil
}

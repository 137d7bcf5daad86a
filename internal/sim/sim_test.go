package sim

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// TestRuns lets clusters live through everything that goes wrong, one seed each. LITHAIR_LONG=1
// runs 20,000 of them, RUNS=n as many; SEED=n one, with its story.
func TestRuns(t *testing.T) {
	runs, first := 200, uint64(0)
	if testing.Short() {
		runs = 60
	}
	if os.Getenv("LITHAIR_LONG") != "" {
		runs = 20_000
	}
	if s := os.Getenv("RUNS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		runs = n
	}
	cfg := Config{}
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, runs = n, 1
		cfg.Trace = func(line string) { t.Log(line) }
		cfg.Messages = os.Getenv("MESSAGES") != ""
	}
	total := map[string]int{}
	simulated, slowest := time.Duration(0), time.Duration(0)
	for seed := first; seed < first+uint64(runs); seed++ {
		cfg.Seed = seed
		r := Run(cfg)
		if r.Failed() {
			t.Fatalf("seed %d: after %v: %s\n%s\n%s", seed, r.Simulated, r.Failure, r.Replay(), r.Stack)
		}
		simulated += r.Simulated
		slowest = max(slowest, r.Recovery)
		for k, v := range r.Stats {
			total[k] += v
		}
	}
	t.Logf("%d runs, %v simulated; recovery took %v at most; %v", runs, simulated.Round(time.Second), slowest, total)
}

// TestReplay: a seed gives the same story, to the line, each time it is run.
func TestReplay(t *testing.T) {
	for seed := range uint64(12) {
		var sums [2]uint64
		lines := 0
		for i := range sums {
			trace, sum := Digest()
			r := Run(Config{Seed: seed, Messages: true, Trace: func(line string) { lines++; trace(line) }})
			if r.Failed() {
				t.Fatalf("seed %d: %s", seed, r.Failure)
			}
			sums[i] = sum()
		}
		if sums[0] != sums[1] || lines < 1000 {
			t.Errorf("seed %d is told in two ways (%d lines)", seed, lines)
		}
		if r := Run(Config{Seed: seed}); r.Failed() {
			t.Errorf("seed %d goes another way when nobody listens: %s", seed, r.Failure)
		}
	}
}

package consensus

import (
	"os"
	"strconv"
	"testing"
)

// TestRandomRuns lets clusters of one to seven voters live through everything that can go wrong,
// one seed each. LITHAIR_LONG=1 runs 20,000 of them, RUNS=n as many; SEED=n one, with its story.
func TestRandomRuns(t *testing.T) {
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		c := run(t, n, true)
		t.Log(c.stats)
		return
	}
	runs, total := 200, map[string]int{}
	if os.Getenv("LITHAIR_LONG") != "" {
		runs = 20000
	}
	if s := os.Getenv("RUNS"); s != "" {
		var err error
		if runs, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range uint64(runs) {
		c := run(t, seed, false)
		for k, v := range c.stats {
			total[k] += v
		}
		total["committed"] += len(c.committed)
		total["step"] += c.steps
	}
	t.Logf("%d runs: %v", runs, total)
	for _, k := range []string{"leader", "crash", "cut", "proposal", "read", "change", "transfer", "snapshot", "snapshot received", "lease read", "refused", "dropped", "format raised", "older release", "older release refused", "resize", "fenced"} {
		if total[k] == 0 {
			t.Errorf("nothing of %q happened", k)
		}
	}
}

func run(t testing.TB, seed uint64, verbose bool) *cluster {
	c := newCluster(t, seed, []int{3, 3, 5, 1, 2, 4, 7}[seed%7], func(c *cluster, cfg *Config) {
		cfg.FastFailover = (seed%2 == 0 || c.lease) && !cfg.LeaseReads
		cfg.MaxUncommittedBytes, cfg.MaxUnappliedBytes, cfg.HeartbeatTicks = c.mood.uncommitted, c.mood.unapplied, c.mood.beat
	})
	c.verbose = verbose
	defer func() {
		if e := recover(); e != nil {
			for _, l := range c.log {
				t.Log(l)
			}
			t.Fatalf("seed %d, step %d: %v", seed, c.steps, e)
		}
		if t.Failed() {
			for _, l := range c.log {
				t.Log(l)
			}
		}
	}()
	steps := 6000
	if c.directed == "shrinking" {
		steps *= 2 // a change waits for the one before
	}
	for range steps {
		c.step()
	}
	c.settle()
	return c
}

// Command cluster shows a cluster at work: it builds the blog, starts three processes of it on
// loopback, writes through all of them, kills the leader again and again with SIGKILL, and
// starts it anew. In the end it looks whether every write that was acknowledged is there,
// once, and whether all nodes have the same state; only then it exits with 0.
//
//	go run ./examples/cluster                  # 20 seconds, a kill every 2
//	go run ./examples/cluster -for 10m -pace 20ms
//	go run ./examples/cluster -hold            # go on afterwards: a page shows who leads
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"
)

// settings are what a run is told.
type settings struct {
	runs, every time.Duration
	writers     int
	pace        time.Duration // of one writer, between two writes
	hold        bool
	page        string
	dir         string // "": a temporary one, removed in the end
}

func main() {
	var s settings
	flag.DurationVar(&s.runs, "for", 20*time.Second, "how long writers run")
	flag.DurationVar(&s.every, "every", 2*time.Second, "how often the leader is killed")
	flag.IntVar(&s.writers, "writers", 6, "how many write at once")
	flag.DurationVar(&s.pace, "pace", 0, "pause of a writer between two writes")
	flag.BoolVar(&s.hold, "hold", false, "leave the nodes running until Ctrl-C")
	flag.StringVar(&s.page, "page", "127.0.0.1:8090", "address of the page that shows who leads; empty: none")
	flag.StringVar(&s.dir, "data", "", "directory for the nodes' data, kept in the end (default: a temporary one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := s.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		stop()
		os.Exit(1)
	}
}

// outcome is what a run has seen.
type outcome struct {
	acknowledged, retried, kills int
	gaps                         []time.Duration // from a kill to the next acknowledgement of a write begun behind it, ascending
}

// run is the whole story. An error says what does not hold.
func (s settings) run(ctx context.Context, out io.Writer) (o outcome, err error) {
	dir := s.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "lithair-cluster"); err != nil {
			return o, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	f, err := newFleet(ctx, dir, 3)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	for i := range f.nodes {
		if err := f.start(i); err != nil {
			return o, err
		}
		fmt.Fprintf(out, "node %d: %s, data in %s\n", i+1, f.nodes[i].url, f.nodes[i].dir)
	}
	if s.page != "" {
		end, err := f.servePage(s.page)
		if err != nil {
			return o, err
		}
		defer func() { err = errors.Join(err, end()) }()
		fmt.Fprintf(out, "who leads: http://%s\n", s.page)
	}
	lead, err := f.leader(ctx)
	if err != nil {
		return o, err
	}
	fmt.Fprintf(out, "node %d leads\n", lead+1)
	w, err := f.newWriters(ctx, s.writers, s.pace)
	if err != nil {
		return o, err
	}
	kills, err := s.havoc(ctx, out, f, w)
	o.acknowledged, o.retried, o.kills, o.gaps = len(w.acks), w.retries, len(kills), w.gaps(kills)
	if err != nil {
		return o, err
	}
	fmt.Fprintf(out, "%d writes acknowledged, %d attempts repeated, %d kills of the leader\n", o.acknowledged, o.retried, o.kills)
	if n := len(o.gaps); n > 0 {
		fmt.Fprintf(out, "from a kill to the next commit: median %v, 90%% %v, longest %v\n", o.gaps[n/2], o.gaps[n*9/10], o.gaps[n-1])
	}
	if err := f.check(ctx, out, w); err != nil {
		return o, err
	}
	if s.hold {
		fmt.Fprintln(out, "the nodes go on; Ctrl-C stops them")
		<-ctx.Done()
	}
	return o, nil
}

// havoc lets the writers run while leaders die, and returns when each did.
func (s settings) havoc(ctx context.Context, out io.Writer, f *fleet, w *writers) (kills []time.Time, err error) {
	end := time.Now().Add(s.runs)
	for err == nil && ctx.Err() == nil && time.Until(end) > s.every {
		pause(ctx, s.every)
		var lead int
		if lead, err = f.leader(ctx); err != nil {
			break
		}
		before := w.count()
		if err = f.kill(lead); err != nil {
			break
		}
		at := time.Now()
		kills = append(kills, at)
		pause(ctx, 300*time.Millisecond) // others go on without it
		during := w.count() - before
		if err = f.start(lead); err == nil {
			fmt.Fprintf(out, "node %d led and was killed; %d writes were acknowledged in the 300 ms behind; it is started again\n", lead+1, during)
		}
	}
	if err == nil {
		pause(ctx, time.Until(end))
	}
	return kills, errors.Join(err, w.stop())
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// gaps returns, for each kill, how long the next acknowledgement took of a write that was
// begun behind it.
func (w *writers) gaps(kills []time.Time) (list []time.Duration) {
	for _, k := range kills {
		best := time.Duration(-1)
		for _, a := range w.acks {
			if d := a.end.Sub(k); a.begun.After(k) && (best < 0 || d < best) {
				best = d
			}
		}
		if best >= 0 {
			list = append(list, best.Round(time.Millisecond/10))
		}
	}
	slices.Sort(list)
	return list
}

package soak

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// Sample is what a node takes.
type Sample struct {
	Round      int     `json:"round"`
	RSS        float64 `json:"rss_bytes"`  // resident; 0 where the system does not say
	Live       float64 `json:"live_bytes"` // live objects behind a garbage collection
	Files      float64 `json:"descriptors"`
	Goroutines float64 `json:"goroutines"`
	Disk       float64 `json:"disk_bytes"` // of the node's folder
}

// folderBytes is how long the files below a folder are together. What goes away meanwhile does not count.
func folderBytes(dir string) (sum float64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if e.IsDir() {
			sum += folderBytes(filepath.Join(dir, e.Name()))
		} else if info, err := e.Info(); err == nil {
			sum += float64(info.Size())
		}
	}
	return sum
}

// resources reads what the system says of a process.
func resources(pid int) (s Sample) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			s.RSS = kib * 1024
		}
	}
	if list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		s.Files = float64(len(list))
	}
	return s
}

// watch notes the most that nodes take, and tells how the run goes, until stop is called.
func (r *run) watch() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	all := slices.Clone(r.f.Nodes)
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		told := time.Now()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			var words []string
			for i, n := range all {
				pid, _ := n.Pid()
				if pid == 0 {
					words = append(words, "down")
					continue
				}
				s := resources(pid)
				r.peaks[i].RSS, r.peaks[i].Files = max(r.peaks[i].RSS, s.RSS), max(r.peaks[i].Files, s.Files)
				words = append(words, fmt.Sprintf("%.0f MiB/%.0f", s.RSS/(1<<20), s.Files))
			}
			if time.Since(told) >= r.cfg.Every {
				told = time.Now()
				acknowledged, others, checks, faults := r.tally.sum()
				r.t.Logf("%d operations acknowledged, %d attempts not, %d checks, %d faults; RSS/descriptors: %s", acknowledged, others, checks, faults, strings.Join(words, ", "))
			}
		}
	}()
	return func() { close(end); <-ended }
}

// sample notes what nodes take now that nobody asks them for anything: the least within a second, since connections take a moment to end.
func (r *run) sample() {
	least := make([]Sample, nodes)
	live := make([]float64, nodes)
	for i := range live {
		a := r.f.Get(i, "/heap", fleet.Patience)
		var err error
		if live[i], err = strconv.ParseFloat(string(a.Body), 64); err != nil {
			r.t.Errorf("the heap of node %d: %d %v", i+1, a.Status, errors.Join(a.Err, err))
		}
		if p := r.f.Get(i, "/heap?profile", fleet.Patience); p.Err != nil || p.Status != 200 {
			r.t.Errorf("the heap of node %d: %d %v", i+1, p.Status, p.Err)
		} else if err := os.WriteFile(filepath.Join(r.cfg.Dir, fmt.Sprintf("heap-round%d-node%d.pprof", r.round, i+1)), p.Body, 0o600); err != nil {
			r.t.Errorf("%v", err)
		}
	}
	for k := range 10 {
		time.Sleep(100 * time.Millisecond)
		for i, n := range r.f.Nodes {
			pid, _ := n.Pid()
			s := resources(pid)
			s.Round, s.Live = r.round, live[i]
			s.Disk = folderBytes(n.Dir)
			var err error
			if s.Goroutines, err = strconv.ParseFloat(r.f.Figure(i, "go_goroutines"), 64); err != nil {
				r.t.Errorf("the goroutines of node %d: %v", i+1, err)
				return
			}
			if k == 0 {
				least[i] = s
			}
			m := &least[i]
			m.RSS, m.Files, m.Goroutines, m.Disk = min(m.RSS, s.RSS), min(m.Files, s.Files), min(m.Goroutines, s.Goroutines), min(m.Disk, s.Disk)
		}
	}
	for i := range least {
		r.samples[i] = append(r.samples[i], least[i])
	}
}

// Trend is a figure of a node: the medians of the first and the last third of rounds, and what the last may be at most.
type Trend struct {
	Node   int     `json:"node"`
	Figure string  `json:"figure"`
	First  float64 `json:"first_third"`
	Last   float64 `json:"last_third"`
	Most   float64 `json:"most_allowed"`
	Peak   float64 `json:"peak,omitzero"` // of any second
}

// answerBytes is what a node may keep of an acknowledged request with an Idempotency-Key: its answer is remembered for a day.
const answerBytes = 600

// bounds say what "flat" is: so much more in the last third than in the first, relative and absolute. 16 MiB of entries stay in
// memory for members that are behind, and are not there in the beginning.
var bounds = []struct {
	name     string
	of       func(s Sample) float64
	relative float64
	absolute float64
	answers  bool // and what remembered answers take
}{
	{"live_bytes", func(s Sample) float64 { return s.Live }, 0.25, 24 << 20, true},
	{"rss_bytes", func(s Sample) float64 { return s.RSS }, 0.5, 64 << 20, true},
	{"descriptors", func(s Sample) float64 { return s.Files }, 0, 12, false},
	{"goroutines", func(s Sample) float64 { return s.Goroutines }, 0, 24, false},
	{"disk_bytes", func(s Sample) float64 { return s.Disk }, 0.5, 192 << 20, true}, // segments are as long as they may become from the beginning
}

// trends compares thirds of the rounds; nil where there are fewer than three rounds.
func (r *run) trends() (list []Trend) {
	third := r.round / 3
	if third == 0 || len(r.samples[0]) < r.round {
		return nil
	}
	keyed := 0
	for _, kind := range []string{"change a register", "create a note", "change a note", "delete a note", "name a file", "delete a file's record"} {
		if c := r.tally.ops[kind]; c != nil {
			keyed += c.Acknowledged
		}
	}
	for i, all := range r.samples {
		for _, b := range bounds {
			median := func(list []Sample) float64 {
				var v []float64
				for _, s := range list {
					v = append(v, b.of(s))
				}
				slices.Sort(v)
				return v[len(v)/2]
			}
			t := Trend{Node: i + 1, Figure: b.name, First: median(all[:third]), Last: median(all[len(all)-third:])}
			t.Most = t.First*(1+b.relative) + b.absolute
			if b.answers {
				t.Most += answerBytes * float64(keyed)
			}
			switch b.name {
			case "rss_bytes":
				t.Peak = r.peaks[i].RSS
			case "descriptors":
				t.Peak = r.peaks[i].Files
			}
			list = append(list, t)
		}
	}
	return list
}

// judgeSamples fails where nodes take more and more.
func (r *run) judgeSamples() {
	for _, t := range r.trends() {
		r.tally.check("figure of a node is flat", 1)
		if t.Last > t.Most {
			r.t.Errorf("%s of node %d: %.0f in the first third of rounds, %.0f in the last, at most %.0f is allowed", t.Figure, t.Node, t.First, t.Last, t.Most)
		}
	}
}

package soak

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
)

// Report is what a run did and found.
type Report struct {
	Seed       uint64            `json:"seed"`
	Seconds    float64           `json:"seconds"`
	Rounds     int               `json:"rounds"`
	Operations map[string]*Count `json:"operations"`
	Faults     map[string]int    `json:"faults"`
	LeftOut    map[string]string `json:"left_out"` // faults, and why
	Checks     map[string]int    `json:"checks"`
	Gaps       map[string]string `json:"gaps"` // by fault: from its beginning to the next acknowledged change of a register
	Trends     []Trend           `json:"trends"`
	Samples    [][]Sample        `json:"samples"` // by node
	Words      map[string]int    `json:"words"`   // warnings and errors that nodes logged, by level and message
	Problems   []string          `json:"problems"`
	Dir        string            `json:"dir,omitzero"` // where data and words of the nodes are kept; empty where nothing broke
}

func (r *run) report() *Report {
	gaps := map[string]string{}
	for fault, list := range r.gaps {
		slices.Sort(list)
		gaps[fault] = fleet.Distribution(list)
	}
	rep := &Report{Seed: r.cfg.Seed, Seconds: time.Since(r.t.begun).Round(time.Second / 10).Seconds(), Rounds: len(r.samples[0]), Operations: r.tally.ops, Faults: r.tally.faults, LeftOut: r.tally.left, Checks: r.tally.checks,
		Gaps: gaps, Trends: r.trends(), Samples: r.samples, Words: r.words, Problems: slices.Concat([]string{}, r.t.problems)}
	if len(rep.Problems) > 0 {
		rep.Dir = r.cfg.Dir
	}
	return rep
}

// Print writes the report as tables.
func (rep *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "\nseed %d, %d rounds in %.0f s\n\n", rep.Seed, rep.Rounds, rep.Seconds)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "operation\tacknowledged\trefused\tunknown")
	for _, k := range slices.Sorted(maps.Keys(rep.Operations)) {
		c := rep.Operations[k]
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\n", k, c.Acknowledged, c.Refused, c.Unknown)
	}
	fmt.Fprintln(tw, "\t\t\t\nfault\ttimes\tto the next acknowledged change\t")
	for _, k := range slices.Sorted(maps.Keys(rep.Faults)) {
		fmt.Fprintf(tw, "%s\t%d\t%s\t\n", k, rep.Faults[k], rep.Gaps[k])
	}
	for _, k := range slices.Sorted(maps.Keys(rep.LeftOut)) {
		fmt.Fprintf(tw, "%s\tleft out\t\t\n", k)
	}
	fmt.Fprintln(tw, "\t\t\t\ncheck\ttimes\t\t")
	for _, k := range slices.Sorted(maps.Keys(rep.Checks)) {
		fmt.Fprintf(tw, "%s\t%d\t\t\n", k, rep.Checks[k])
	}
	fmt.Fprintln(tw, "\t\t\t\nnodes said\ttimes\t\t")
	for _, k := range slices.Sorted(maps.Keys(rep.Words)) {
		fmt.Fprintf(tw, "%s\t%d\t\t\n", k, rep.Words[k])
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(rep.LeftOut)) {
		fmt.Fprintf(w, "\nleft out: %s: %s\n", k, rep.LeftOut[k])
	}
	fmt.Fprintln(w)
	tw = tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "node\tfigure\tfirst third\tlast third\tat most\tpeak")
	for _, t := range rep.Trends {
		unit := 1.0
		name := t.Figure
		if in := map[string]string{"live_bytes": "live MiB", "rss_bytes": "RSS MiB", "disk_bytes": "disk MiB"}[name]; in != "" {
			unit, name = 1<<20, in
		}
		fmt.Fprintf(tw, "%d\t%s\t%.1f\t%.1f\t%.1f\t%.1f\n", t.Node, name, t.First/unit, t.Last/unit, t.Most/unit, t.Peak/unit)
	}
	if len(rep.Trends) == 0 {
		fmt.Fprintln(tw, "fewer than three rounds: nothing to compare\t\t\t\t\t")
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, p := range rep.Problems {
		fmt.Fprintf(w, "\nBROKEN: %s\n", p)
	}
	verdict := "nothing broke"
	if len(rep.Problems) > 0 {
		verdict = "what the nodes had and said is kept in " + rep.Dir
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict)
	return err
}

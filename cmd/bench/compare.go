package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// verdicts of a comparison.
const (
	same    = "the same"
	better  = "BETTER"
	worse   = "WORSE"
	minBand = .05 // two runs of the same program differ by so much on a machine of one's own
)

// compare holds a report against an earlier one, figure by figure. Machines differ, and the same one is
// slower at noon: so a contestant is judged by its ratio to the first row of its own run, which was measured
// within the same seconds, and only the first row by itself. What lies within the spread of the rounds of both runs
// is the same.
func compare(w io.Writer, before, now *report) error {
	fmt.Fprintf(w, "\n## against commit %s, %s, %s\n", before.Commit, before.Machine, before.Go)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "case\tcontestant\tfigure\tbefore\tnow\ttimes better\tnoise\t")
	for _, t := range now.Tables {
		i := slices.IndexFunc(before.Tables, func(o table) bool { return o.Case == t.Case })
		if i < 0 {
			fmt.Fprintf(tw, "%s\t\t\tnot measured\t\t\t\t\n", t.Case)
			continue
		}
		for _, r := range t.Rows {
			j := slices.IndexFunc(before.Tables[i].Rows, func(o row) bool { return o.Contestant == r.Contestant })
			if j < 0 {
				continue
			}
			for _, c := range t.cols {
				if c.ratio {
					fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", t.Case, r.Contestant, c.head, versus(c, before.Tables[i].Rows[j], r, r.Contestant == t.Rows[0].Contestant))
				}
			}
		}
	}
	return tw.Flush()
}

// versus is the end of a line: before, now, how many times better, the noise band and the verdict.
func versus(c column, before, now row, first bool) string {
	a, b := before.Figures[c.name], now.Figures[c.name]
	times := c.better(b.Median, a.Median)
	x, y := number(a.Median), number(b.Median)
	if !first {
		times = now.Ratio[c.name] / before.Ratio[c.name]
		x, y = fmt.Sprintf("%.2fx", before.Ratio[c.name]), fmt.Sprintf("%.2fx", now.Ratio[c.name])
	}
	band := max(minBand, (a.Spread+b.Spread)/2)
	return fmt.Sprintf("%s\t%s\t%.2f\t±%.0f%%\t%s", x, y, times, 100*band, verdict(times, band))
}

func verdict(times, band float64) string {
	switch {
	case times > 1+band:
		return better
	case times < 1/(1+band):
		return worse
	}
	return same
}

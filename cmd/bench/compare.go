package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// verdicts of a comparison.
const (
	same      = "the same"
	better    = "BETTER"
	worse     = "WORSE"
	unjudged  = "not judged"
	minBand   = .05 // two runs of the same program differ by so much on a machine of one's own
	minRounds = 3   // fewer have no spread to speak of
)

// compare holds a report against an earlier one, figure by figure. Machines differ, and the same one is
// slower at noon: so a contestant is judged by its ratio to the first row of its own run, which was measured
// within the same seconds, and only the first row by itself, on the same machine alone. What lies within the spread of the rounds of
// both runs is the same. What only one of the reports has is told, and it is an error when they have nothing in common.
func compare(w io.Writer, before, now *report) error {
	fmt.Fprintf(w, "\n## against commit %s, %s, %s\n", before.Commit, before.Machine, before.Go)
	elsewhere := before.Machine != now.Machine
	if elsewhere {
		fmt.Fprintf(w, "that is another machine than this, %s: ratios are judged, first rows are not\n", now.Machine)
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "case\tcontestant\tfigure\tbefore\tnow\ttimes better\tnoise\t")
	held := 0
	for _, t := range now.Tables {
		i := slices.IndexFunc(before.Tables, func(o table) bool { return o.Case == t.Case })
		if i < 0 {
			fmt.Fprintf(tw, "%s\t\t\tnot measured\t\t\t\t\n", t.Case)
			continue
		}
		for _, r := range t.Rows {
			j := slices.IndexFunc(before.Tables[i].Rows, func(o row) bool { return o.Contestant == r.Contestant })
			if j < 0 {
				fmt.Fprintf(tw, "%s\t%s\t\tnot measured\t\t\t\t\n", t.Case, r.Contestant)
				continue
			}
			for _, c := range t.Columns {
				if c.Ratio {
					held++
					fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", t.Case, r.Contestant, c.Unit, versus(c, before.Tables[i].Rows[j], r, r.Contestant == t.Rows[0].Contestant, elsewhere))
				}
			}
		}
	}
	for _, t := range before.Tables {
		if !slices.ContainsFunc(now.Tables, func(o table) bool { return o.Case == t.Case }) {
			fmt.Fprintf(tw, "%s\t\t\t\tnot measured\t\t\t\n", t.Case)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if held == 0 {
		return fmt.Errorf("-compare: the earlier run, %q, measured nothing that this one did", before.Command)
	}
	return nil
}

// versus is the end of a line: before, now, how many times better, the noise band and the verdict.
func versus(c column, before, now row, first, elsewhere bool) string {
	a, b := before.Figures[c.Name], now.Figures[c.Name]
	times := c.better(b.Median, a.Median)
	x, y := number(a.Median), number(b.Median)
	if !first {
		times = now.Ratio[c.Name] / before.Ratio[c.Name]
		x, y = fmt.Sprintf("%.2fx", before.Ratio[c.Name]), fmt.Sprintf("%.2fx", now.Ratio[c.Name])
	}
	band := max(minBand, (a.Spread+b.Spread)/2)
	word := verdict(times, band)
	switch {
	case a.Rounds == 0 || b.Rounds == 0 || math.IsNaN(times) || math.IsInf(times, 0) || times <= 0:
		return fmt.Sprintf("%s\t%s\t\t\t%s: there is no figure", x, y, unjudged)
	case min(a.Rounds, b.Rounds) < minRounds:
		word = fmt.Sprintf("%s: fewer than %d rounds", unjudged, minRounds)
	case first && elsewhere:
		word = unjudged
	}
	return fmt.Sprintf("%s\t%s\t%.2f\t±%.0f%%\t%s", x, y, times, 100*band, word)
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

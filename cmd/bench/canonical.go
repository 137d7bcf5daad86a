package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// runCanonical measures a little of each layer, in about two minutes, and prints a line for each.
func runCanonical(args []string) error {
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	var o options
	o.measuring(fs, 3, 64, time.Second)
	o.seeded(fs)
	o.onDisk(fs)
	parse(fs, args)
	return o.run(func(rep *report) error {
		rep.brief = true
		return measureCanonical(o, rep)
	})
}

func measureCanonical(o options, rep *report) error {
	quick := o
	quick.d = min(o.d, max(o.d/5, time.Millisecond)) // codecs need no second to settle
	for _, layer := range []func() error{
		func() error {
			return measureApp(appOptions{options: o, records: 10_000}, rep, []string{"get", "post", "mix"})
		},
		func() error { return measureWire(o, rep, 0, []string{"plain", "json"}) },
		func() error { return measureWS(o, rep, 0, []int{64}) },
		func() error { return measureLog(o, rep, []string{"sync1", "sync64"}) },
		func() error { return measureRaft(o, rep, []int{64}) },
		func() error { return measureJSON(quick, rep, []string{"small"}, []string{"decode", "encode"}) },
		func() error { return measureBin(quick, rep) },
	} {
		if err := layer(); err != nil {
			return err
		}
	}
	return nil
}

// printBrief prints a line for each table: the last contestant, which is this project, beside the first.
func (r *report) printBrief(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s, commit %s\n\n", r.Machine, r.Go, r.Commit)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "work\tbeside\ttimes better\t±%\tand\there\tp99\t")
	for _, t := range r.Tables {
		us, them := t.Rows[len(t.Rows)-1], t.Rows[0].Contestant
		main, second, p99 := t.Columns[0], "", ""
		if len(t.Rows) == 1 {
			them = ""
		}
		for _, c := range t.Columns[1:] {
			switch {
			case c.Ratio && len(t.Rows) > 1:
				second = fmt.Sprintf("%.2f by %s", us.Ratio[c.Name], unit(c))
			case c.Name == "p99_us":
				p99 = number(us.Figures[c.Name].Median) + " µs"
			}
		}
		times := fmt.Sprintf("%.2f", us.Ratio[main.Name])
		if len(t.Rows) == 1 {
			times = ""
		}
		name, _, _ := strings.Cut(t.Case, ":")
		name, _, _ = strings.Cut(name, ", ")
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.0f\t%s\t%s %s\t%s\t\n", name, them, times, 100*us.Figures[main.Name].Spread, second, number(us.Figures[main.Name].Median), main.Unit, p99)
	}
	return tw.Flush()
}

// unit is what a second column counts, in a word.
func unit(c column) string {
	if strings.Contains(c.Unit, "CPU") {
		return "CPU"
	}
	return "time"
}

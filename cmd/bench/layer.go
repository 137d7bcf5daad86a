package main

import (
	"fmt"
	"time"
)

// contestant does the work of a case n times, in this process.
type contestant struct {
	name string
	op   func(n int) error
}

var opColumns = []column{
	{Name: "cpu_ns", Unit: "CPU ns/op", Low: true, Ratio: true}, // first: it is steady when others use the machine
	{Name: "ns", Unit: "ns/op", Low: true, Ratio: true},
	{Name: "mbs", Unit: "MB/s"},
	{Name: "allocs", Unit: "allocs/op", Low: true},
	{Name: "bytes", Unit: "B/op", Low: true},
}

// contest measures contestants in turns. Size is the bytes one operation handles.
func contest(o options, rep *report, title, note string, size int, list []contestant) error {
	var all []crowd
	for _, c := range list {
		all = append(all, crowd{c.name, func(d time.Duration) (figures, error) {
			m, err := measure(c.op, d)
			if err == nil {
				m["mbs"] = float64(size) / m["ns"] * 1e3
			}
			return m, err
		}})
	}
	return crowds(o, rep, title, note, opColumns, all)
}

// crowd is a contestant that clients use at the same time: measure runs it for about d.
type crowd struct {
	name    string
	measure func(d time.Duration) (figures, error)
}

// crowds measures them in turns, each round begun by another one.
func crowds(o options, rep *report, title, note string, cols []column, list []crowd) error {
	all, names := map[string]samples{}, []string{}
	for _, c := range list {
		all[c.name], names = samples{}, append(names, c.name)
	}
	for round := -1; round < o.rounds; round++ {
		d := o.d
		if round < 0 { // the first turn warms up
			d = max(d/5, min(d, 50*time.Millisecond))
		}
		for i := range list {
			c := list[(i+round+1)%len(list)]
			m, err := c.measure(d)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", title, c.name, err)
			}
			if round >= 0 {
				all[c.name].add(m)
			}
		}
	}
	rep.add(title, fmt.Sprintf("%d rounds of %v; %s", o.rounds, o.d, note), names, all, cols)
	return nil
}

var crowdColumns = append([]column{
	{Name: "rate", Unit: "ops/s", Ratio: true},
	{Name: "cpu_us", Unit: "CPU µs/op", Low: true, Ratio: true},
}, latencyColumns...)

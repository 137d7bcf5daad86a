package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// stateOptions say what runState measures.
type stateOptions struct {
	records int    // held while reads are timed, and replayed
	rounds  int    // per figure
	seconds int    // per timed case
	dir     string // for data
}

// runState measures the state in memory: what it takes, how fast it is read and written,
// and how long a replay takes.
func runState(args []string) error {
	fs := flag.NewFlagSet("bench state", flag.ExitOnError)
	parts := fs.String("parts", "memory,read,write,replay", "what to measure, of memory, read, pause, snapshot, write, replay")
	var o stateOptions
	fs.IntVar(&o.records, "records", 1_000_000, "records")
	fs.IntVar(&o.rounds, "rounds", 3, "rounds of the timed cases; the median is reported")
	fs.IntVar(&o.seconds, "seconds", 2, "of each timed case and round")
	fs.StringVar(&o.dir, "data", "", "folder for data; default the temporary folder")
	asJSON := fs.Bool("json", false, "print one JSON document")
	parse(fs, args)
	rep, cols, err := measureState(o, strings.Split(*parts, ","))
	if err != nil {
		return err
	}
	return rep.print(os.Stdout, *asJSON, cols)
}

// stateParts are the parts of a run, in order: those that need an untouched heap first.
var stateParts = []struct {
	name string
	run  func(o stateOptions, rep *report, cols map[string][]column) error
}{
	{"memory", measureMemory},
	{"read", measureReads},
	{"pause", measurePauses},
	{"snapshot", measureSnapshots},
	{"write", measureWrites},
	{"replay", measureReplay},
}

func measureState(o stateOptions, parts []string) (*report, map[string][]column, error) {
	rep, cols := newReport(), map[string][]column{}
	for _, name := range parts {
		i := slices.IndexFunc(stateParts, func(p struct {
			name string
			run  func(o stateOptions, rep *report, cols map[string][]column) error
		}) bool {
			return p.name == name
		})
		if i < 0 {
			return nil, nil, fmt.Errorf("no such part: %q", name)
		}
		if err := stateParts[i].run(o, rep, cols); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return rep, cols, nil
}

package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stateOptions are the flags of bench state.
type stateOptions struct {
	options
	records int // held while reads are timed, and replayed
}

// runState measures the state in memory: what it takes, how fast it is read and written,
// and how long a replay takes.
func runState(args []string) error {
	fs := flag.NewFlagSet("bench state", flag.ExitOnError)
	parts := fs.String("parts", "memory,read,write,replay", "what to measure, of memory, read, pause, snapshot, write, replay")
	var o stateOptions
	o.measuring(fs, 3, 0, 2*time.Second)
	o.onDisk(fs)
	fs.IntVar(&o.records, "records", 1_000_000, "records")
	parse(fs, args)
	if err := checkRecords(o.records); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureState(o, rep, strings.Split(*parts, ",")) })
}

// statePart is one part of a run.
type statePart struct {
	name string
	run  func(o stateOptions, rep *report) error
}

// stateParts are the parts of a run, in order: those that need an untouched heap first.
var stateParts = []statePart{
	{"memory", measureMemory},
	{"read", measureReads},
	{"pause", measurePauses},
	{"snapshot", measureSnapshots},
	{"write", measureWrites},
	{"replay", measureReplay},
}

func measureState(o stateOptions, rep *report, parts []string) error {
	for _, name := range parts {
		i := slices.IndexFunc(stateParts, func(p statePart) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("no such part: %q", name)
		}
		if err := stateParts[i].run(o, rep); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

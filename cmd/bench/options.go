package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/lithair/lithair-go/jsonx"
)

// options are the flags that all measuring commands have.
type options struct {
	rounds, clients int
	crowd           bool // there are clients
	d               time.Duration
	seed            uint64
	dir             string // for data

	json             bool
	compare, profile string
}

// measuring declares the flags of a measuring command.
func (o *options) measuring(fs *flag.FlagSet, rounds, clients int, d time.Duration) {
	fs.IntVar(&o.rounds, "rounds", rounds, "rounds; the median is reported")
	fs.DurationVar(&o.d, "duration", d, "length of one measurement")
	if o.crowd = clients > 0; o.crowd {
		fs.IntVar(&o.clients, "clients", clients, "clients at the same time")
	}
	o.reporting(fs)
}

// seeded declares the flag of commands in which anything is left to chance.
func (o *options) seeded(fs *flag.FlagSet) {
	fs.Uint64Var(&o.seed, "seed", 1, "what is random follows from it")
}

// onDisk declares the flag of commands that keep data.
func (o *options) onDisk(fs *flag.FlagSet) {
	fs.StringVar(&o.dir, "data", "", "folder for data, which decides the disk; default the temporary folder")
}

// reporting declares the flags that say what becomes of the figures.
func (o *options) reporting(fs *flag.FlagSet) {
	fs.BoolVar(&o.json, "json", false, "print one JSON document")
	fs.StringVar(&o.compare, "compare", "", "hold the figures against those of an earlier run: a `FILE` that -json printed")
	fs.StringVar(&o.profile, "profile", "", "write CPU profiles, and the heap of this process, into this `FOLDER`")
}

// check refuses what cannot be measured.
func (o *options) check() error {
	switch {
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds: is %d, of 1 to 1000", o.rounds)
	case o.d <= 0:
		return fmt.Errorf("-duration: is %v, must be longer than nothing", o.d)
	case o.crowd && (o.clients < 1 || o.clients > 10_000):
		return fmt.Errorf("-clients: is %d, of 1 to 10000", o.clients)
	}
	return nil
}

// maxRate is more requests a second than a machine sends.
const maxRate = 1e8

// checkRate refuses what is no number of requests a second. 0, where it is allowed, is no timetable.
func checkRate(rate float64, zero bool) error {
	if zero && rate == 0 || rate > 0 && rate <= maxRate { // NaN is neither
		return nil
	}
	return fmt.Errorf("-rate: is %v, of more than 0 to %.0f a second", rate, maxRate)
}

// checkRecords refuses what a server cannot be filled with.
func checkRecords(n int) error {
	if n < 1 || n > 100_000_000 {
		return fmt.Errorf("-records: is %d, of 1 to 100000000", n)
	}
	return nil
}

// run measures, prints the report and holds it against an earlier one. The data folder is a fresh one meanwhile.
func (o *options) run(measure func(rep *report) error) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	before, err := o.earlier()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "lithair-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	defer onInterrupt(func() error { return os.RemoveAll(dir) })()
	o.dir = dir
	stop, err := o.startProfile()
	if err != nil {
		return err
	}
	rep := newReport()
	if err := errors.Join(measure(rep), stop()); err != nil {
		return err
	}
	if err := rep.print(os.Stdout, o.json); err != nil || before == nil {
		return err
	}
	out := os.Stdout
	if o.json { // standard output is the document alone
		out = os.Stderr
	}
	return compare(out, before, rep)
}

// earlier reads the report that -compare names; nil without.
func (o *options) earlier() (*report, error) {
	if o.compare == "" {
		return nil, nil
	}
	b, err := os.ReadFile(o.compare)
	if err != nil {
		return nil, fmt.Errorf("-compare: %w", err)
	}
	before := &report{}
	if err := jsonx.Unmarshal(b, before); err != nil {
		return nil, fmt.Errorf("-compare: %s is not what -json prints: %w", o.compare, err)
	}
	if len(before.Tables) == 0 {
		return nil, fmt.Errorf("-compare: %s holds no figures: it is not what -json prints", o.compare)
	}
	return before, nil
}

// startProfile profiles this process until the function it returns is called.
func (o *options) startProfile() (stop func() error, err error) {
	if o.profile == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(o.profile, 0o777); err != nil {
		return nil, fmt.Errorf("-profile: %w", err)
	}
	end, err := profileCPU(filepath.Join(o.profile, "bench.cpu"))
	if err != nil {
		return nil, err
	}
	return func() error {
		err := end()
		f, e := os.Create(filepath.Join(o.profile, "bench.heap"))
		if e != nil {
			return errors.Join(err, e)
		}
		runtime.GC() // the heap profile is of the last collection
		return errors.Join(err, pprof.WriteHeapProfile(f), f.Close())
	}, nil
}

// profileCPU writes a CPU profile into a file until the function it returns is called; without a name, none.
func profileCPU(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// profiled appends the flag that makes a server of ours write its CPU profile.
func (o *options) profiled(args []string, name string) []string {
	if o.profile == "" {
		return args
	}
	return append(args, "-cpuprofile", filepath.Join(o.profile, name+".cpu"))
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// logCases are the kinds of work of bench log.
var logCases = []struct {
	name, what, rival string
	writers, size     int
}{
	{"sync1", "one writer, durable before each return", "turns", 1, 256},
	{"sync64", "64 writers, durable before each return", "turns", 64, 256},
	{"sync64x4k", "64 writers of 4 KiB, durable before each return", "turns", 64, 4096},
}

// runLog measures the event log beside a file that is written and synced for each record.
func runLog(args []string) error {
	fs := flag.NewFlagSet("bench log", flag.ExitOnError)
	var o options
	o.measuring(fs, 5, 0, time.Second)
	o.onDisk(fs)
	cases := fs.String("case", "sync1,sync64,sync64x4k", "what to measure")
	parse(fs, args)
	return o.run(func(rep *report) error { return measureLog(o, rep, strings.Split(*cases, ",")) })
}

func measureLog(o options, rep *report, names []string) error {
	work := &logWorker{root: o.dir, filled: map[int]string{}}
	for _, name := range names {
		found := false
		for _, c := range logCases {
			if c.name != name {
				continue
			}
			found = true
			how := "sync64"
			if c.writers == 1 {
				how = "sync1"
			}
			err := crowds(o, rep, "log "+c.name+": "+c.what, "the file is zeroed beforehand, and has no checksum and no end that a start could find", crowdColumns, []crowd{
				{"file, an fdatasync each, in turn", func(d time.Duration) (figures, error) { return fileAppends(o.dir, true, c.writers, c.size, d) }},
				{"file, an fdatasync each, at once", func(d time.Duration) (figures, error) { return fileAppends(o.dir, false, c.writers, c.size, d) }},
				{"eventlog", func(d time.Duration) (figures, error) { return work.append(how, c.size, d) }},
			})
			if err != nil {
				return err
			}
		}
		if !found {
			return fmt.Errorf("no such case: %s (sync1, sync64, sync64x4k)", name)
		}
	}
	return nil
}

func fileAppends(dir string, turns bool, writers, size int, d time.Duration) (f figures, err error) {
	file, err := openSyncFile(filepath.Join(dir, "rival"))
	if err != nil {
		return nil, err
	}
	file.turns = turns
	data := randomBytes(size)
	defer func() { err = errors.Join(err, file.f.Close()) }()
	return measureMany(writers, d, size, func() error { return file.append(data) })
}

// runRaft measures commits of three nodes beside the same bytes synced to one file.
func runRaft(args []string) error {
	fs := flag.NewFlagSet("bench raft", flag.ExitOnError)
	var o options
	o.measuring(fs, 3, 0, time.Second)
	o.onDisk(fs)
	parse(fs, args)
	return o.run(func(rep *report) error { return measureRaft(o, rep, []int{1, 64, 1024}) })
}

func measureRaft(o options, rep *report, proposers []int) error {
	for _, n := range proposers {
		list := []crowd{
			{"one file, an fdatasync each", func(d time.Duration) (figures, error) { return fileAppends(o.dir, false, n, 256, d) }},
			{"three nodes", func(d time.Duration) (figures, error) { return raftPropose(n, d, true, randomBytes(256)) }},
		}
		if err := crowds(o, rep, fmt.Sprintf("raft: %d proposers of 256 bytes", n), "nodes in one process, TCP over loopback; the file is a copy, not three", crowdColumns, list); err != nil {
			return err
		}
	}
	return failovers(o, rep)
}

// failovers says how long three nodes do not commit when their leader dies.
func failovers(o options, rep *report) error {
	s := samples{}
	for range o.rounds {
		m, err := raftFailover(1, true, true, randomBytes(256))
		if err != nil {
			return err
		}
		s.add(m)
	}
	rep.add("raft: the leader dies", fmt.Sprintf("%d times; from its death to the next commit; the shortest election timeout is 500 ms", o.rounds),
		[]string{"three nodes"}, map[string]samples{"three nodes": s}, []column{{Name: "failover_ms", Unit: "ms to next commit", Low: true, Ratio: true}})
	return nil
}

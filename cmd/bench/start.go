package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

var startColumns = []column{
	{Name: "ms", Unit: "ms to first answer", Low: true},
	{Name: "cpu_ms", Unit: "CPU ms", Low: true},
	{Name: "rss_mb", Unit: "RSS MB", Low: true},
	{Name: "log_mb", Unit: "on disk MB", Low: true},
}

// runStart measures how long a start takes with many records on disk: from starting
// the process to the first answered request, after a clean stop and after a kill.
func runStart(args []string) error {
	fs := flag.NewFlagSet("bench start", flag.ExitOnError)
	var o options
	fs.IntVar(&o.rounds, "rounds", 7, "starts of each kind; the median is reported")
	o.onDisk(fs)
	o.reporting(fs)
	o.d = time.Second // of nothing here
	records := fs.Int("records", 100_000, "records on disk")
	parse(fs, args)
	if err := checkRecords(*records); err != nil {
		return err
	}
	return o.run(func(rep *report) error { return measureStart(o, rep, *records) })
}

func measureStart(o options, rep *report, records int) error {
	p, err := spawn("lithair", "serve", "-profile", "app", "-addr", "{addr}", "-data", o.dir)
	if err != nil {
		return err
	}
	err = seed(p.addr, records)
	p.stop()
	if err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	all := map[string]samples{"after a clean stop": {}, "after SIGKILL": {}}
	for range o.rounds {
		for _, how := range []string{"after a clean stop", "after SIGKILL"} {
			m, err := timedStart(o, records, how == "after a clean stop")
			if err != nil {
				return err
			}
			all[how].add(m)
		}
	}
	title := fmt.Sprintf("start with %d records of 250 bytes, one transaction each, on disk", records)
	rep.add(title, fmt.Sprintf("%d starts of each kind", o.rounds), []string{"after a clean stop", "after SIGKILL"}, all, startColumns)
	return nil
}

// timedStart starts a server on dir and ends it in the way that the next start of the
// other kind wants: cleanly before a kill is measured, and the other way round.
func timedStart(o options, records int, clean bool) (figures, error) {
	args := []string{"serve", "-profile", "app", "-addr", "{addr}", "-data", o.dir}
	if !clean { // this one ends cleanly, and so writes its profile
		args = o.profiled(args, "start-after-kill")
	}
	begin := time.Now()
	p, err := spawn("lithair", args...)
	if err != nil {
		return nil, err
	}
	status, err := getOnce(p.addr, records-1)
	took := time.Since(begin)
	m := figures{"ms": float64(took.Microseconds()) / 1e3, "cpu_ms": float64(p.cpu().Milliseconds()), "rss_mb": float64(p.rss()) / (1 << 20), "log_mb": float64(folderBytes(o.dir)) / (1 << 20)}
	if clean {
		p.undo()
		p.kill()
	} else {
		p.stop()
	}
	if err == nil && status != 200 {
		err = fmt.Errorf("the last record is answered with status %d", status)
	}
	return m, err
}

func getOnce(addr string, n int) (status int, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.Write(appendGet(nil, n)); err != nil {
		return 0, err
	}
	return answer(bufio.NewReader(c))
}

// rss is the memory the process has resident, in bytes; zero where the system does not
// say.
func (p *process) rss() int64 { return residentOf(strconv.Itoa(p.cmd.Process.Pid)) }

// folderBytes is the disk space under a folder in use; preallocated space counts.
func folderBytes(dir string) (n int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if e.IsDir() {
			n += folderBytes(dir + "/" + e.Name())
		} else if info, err := e.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}

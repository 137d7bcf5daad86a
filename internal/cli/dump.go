package cli

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/jsonx"
)

type dumpFlags struct {
	json     bool
	from, to uint64
}

func setupDump(fs *flag.FlagSet) func(*Console, eventlog.Config) error {
	var f dumpFlags
	fs.BoolVar(&f.json, "json", false, "print one JSON document a record")
	fs.Uint64Var(&f.from, "from", 0, "first log index to print")
	fs.Uint64Var(&f.to, "to", math.MaxUint64, "last log index to print")
	return func(c *Console, log eventlog.Config) error { return dump(c, log, f) }
}

// dump prints every record that can be read. Records that a truncation took back stand
// before those that replaced them.
func dump(c *Console, log eventlog.Config, f dumpFlags) error {
	b := newBook()
	s, err := eventlog.Salvage(log, func(r eventlog.Record) error {
		shown := b.Read(r)
		if r.Index < f.from || r.Index > f.to {
			return nil
		}
		if f.json {
			return c.PrintJSON(shown)
		}
		return c.printRecord(shown)
	})
	if err != nil {
		return err
	}
	for _, d := range s.Damaged {
		fmt.Fprintf(c.Err, "damaged: %s, bytes %d to %d: %s\n", d.Segment, d.Offset, d.End, d.Reason)
	}
	if len(s.Damaged) > 0 {
		return &ExitError{CodeDamaged, errors.New("the log is damaged; what could be read was printed")}
	}
	return nil
}

// printRecord prints a record as a line, and one for each event.
func (c *Console) printRecord(r *Record) error {
	line := fmt.Appendf(nil, "%d  term %d  %s  %s  %d bytes", r.Index, r.Term, r.Time, r.Kind, r.Bytes)
	if r.Error != "" {
		line = fmt.Appendf(line, "  not decoded: %s", r.Error)
	}
	if len(r.Members) > 0 {
		line = fmt.Appendf(line, "  members: %s", strings.Join(r.Members, ", "))
	}
	line = append(line, '\n')
	for _, t := range r.Transactions {
		line = fmt.Appendf(line, "  seq %d", t.Seq)
		for _, w := range []struct{ name, value string }{{"actor", t.Actor}, {"command", t.Command}, {"request", t.Request}} {
			if w.value != "" {
				line = fmt.Appendf(line, "  %s %q", w.name, w.value)
			}
		}
		line = append(line, '\n')
		for _, e := range t.Events {
			fields, err := jsonx.Append(nil, e.Fields)
			if err != nil {
				return err
			}
			line = fmt.Appendf(line, "    %s %s %s", e.Kind, e.Model, e.Key)
			if len(e.Fields) > 0 {
				line = fmt.Appendf(line, " %s", fields)
			}
			if len(e.Cleared) > 0 {
				line = fmt.Appendf(line, " without %v", e.Cleared)
			}
			if e.Name != "" {
				line = fmt.Appendf(line, " as %s", e.Name)
				if e.Version > 1 {
					line = fmt.Appendf(line, " (version %d)", e.Version)
				}
				line = fmt.Appendf(line, " %s", e.Payload)
			}
			line = append(line, '\n')
		}
	}
	_, err := c.Out.Write(line)
	return err
}

func clock(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

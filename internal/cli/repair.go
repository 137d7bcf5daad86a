package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/lithair/lithair-go/eventlog"
)

type repairFlags struct{ json, yes, dryRun bool }

func setupRepair(fs *flag.FlagSet) func(*Console, eventlog.Config) error {
	var f repairFlags
	fs.BoolVar(&f.json, "json", false, "print one JSON document; takes -yes or -dry-run")
	fs.BoolVar(&f.yes, "yes", false, "do not ask")
	fs.BoolVar(&f.dryRun, "dry-run", false, "show what would be done, and do nothing")
	return func(c *Console, log eventlog.Config) error { return repair(c, log, f) }
}

func repair(c *Console, log eventlog.Config, f repairFlags) error {
	if f.json && !f.yes && !f.dryRun {
		return &ExitError{CodeUsage, errors.New("-json cannot ask; add -yes or -dry-run")}
	}
	p, err := eventlog.PlanRepair(log)
	if errors.Is(err, eventlog.ErrNothingSound) {
		return &ExitError{CodeDamaged, err}
	}
	if err != nil {
		return err
	}
	v := judge(&p.Survey)
	if !v.Sound {
		v.Keep, v.Lost, v.Aside = &p.Keep, p.Lost, p.Aside
	}
	if !f.json {
		c.printPlan(&p)
	}
	if v.Sound || f.dryRun {
		if f.json {
			return c.PrintJSON(v)
		}
		return nil
	}
	if !f.yes {
		if err := c.agree("A backup, or a copy from another node, loses less. Cut the log?"); err != nil {
			return err
		}
	}
	if err := eventlog.Repair(log, p); err != nil {
		return err
	}
	v.Done = true
	if f.json {
		return c.PrintJSON(v)
	}
	fmt.Fprintf(c.Out, "done: the log ends at record %d\n", p.Keep)
	return nil
}

func (c *Console) printPlan(p *eventlog.Plan) {
	if len(p.Survey.Damaged) == 0 {
		fmt.Fprintf(c.Out, "nothing to repair: %d records up to %d can be read\n", p.Survey.Records, p.Survey.Last)
		return
	}
	c.printDamage(p.Survey.Damaged)
	fmt.Fprintf(c.Out, "would keep: everything up to record %d\n", p.Keep)
	fmt.Fprintf(c.Out, "would lose: all behind it, of which %d records can still be read (lithair log dump)\n", p.Lost)
	for _, name := range p.Aside {
		switch name {
		case p.Cut:
			fmt.Fprintf(c.Out, "would copy: %s to %s.damaged, and cut it at byte %d\n", name, name, p.CutAt)
		default:
			fmt.Fprintf(c.Out, "would move: %s to %s.damaged\n", name, name)
		}
	}
}

// agree asks, and takes nothing but "yes" for an answer.
func (c *Console) agree(question string) error {
	fmt.Fprintf(c.Err, "%s Type yes: ", question)
	answer, err := c.In.ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("not agreed to; nothing was changed")
	}
	return nil
}

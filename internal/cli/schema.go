package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// SchemaFlags are those of schema diff, plan and apply.
type SchemaFlags struct {
	Verb          string // diff, plan or apply
	File, Dir     string
	JSON, FromLog bool
	Check         bool // diff
	Breaking      bool // apply: may be
	Lossy         bool // the same
}

// Args are the flags as they stand on a command line.
func (f *SchemaFlags) Args() []string {
	args := []string{"schema", f.Verb, "-file", f.File}
	if f.Dir != "" {
		args = append(args, "-dir", f.Dir)
	}
	for _, x := range []struct {
		on   bool
		name string
	}{{f.JSON, "-json"}, {f.FromLog, "-from-log"}, {f.Check, "-check"}, {f.Breaking, "-allow-breaking"}, {f.Lossy, "-allow-lossy"}} {
		if x.on {
			args = append(args, x.name)
		}
	}
	return args
}

// SchemaCommands are the commands that need the program's models; run carries them out.
func SchemaCommands(run func(c *Console, f SchemaFlags, in Input) error) []Command {
	setup := func(verb string) func(fs *flag.FlagSet) func(*Console, Input) error {
		return func(fs *flag.FlagSet) func(*Console, Input) error {
			f := SchemaFlags{Verb: verb}
			fs.StringVar(&f.File, "file", model.ReviewFile, "reviewed copy of the schemas")
			fs.StringVar(&f.Dir, "dir", "", "data directory that is looked at, where it holds a log")
			fs.BoolVar(&f.JSON, "json", false, "print one JSON document")
			fs.BoolVar(&f.FromLog, "from-log", false, "begin with the schemas of the log, and not with the file")
			switch verb {
			case "diff":
				fs.BoolVar(&f.Check, "check", false, "exit with 1 when anything differs")
			case "apply":
				fs.BoolVar(&f.Breaking, "allow-breaking", false, "also what clients will notice")
				fs.BoolVar(&f.Lossy, "allow-lossy", false, "also what hides values")
			}
			return func(c *Console, in Input) error { return run(c, f, in) }
		}
	}
	return []Command{
		{"schema diff", "say how the program's models differ from the reviewed copy", `  lithair schema diff
  lithair schema diff -check     for CI: fail when the copy is not up to date`, nil, setup("diff")},
		{"schema plan", "the same, and replay the log under the new models: would it start?", `  lithair schema plan -dir data`, nil, setup("plan")},
		{"schema apply", "the same, and write the reviewed copy", `  lithair schema apply -dir data
  lithair schema apply -dir data -allow-breaking`, nil, setup("apply")},
	}
}

// ShownChange is a change of a schema with the number of records it concerns.
type ShownChange struct {
	model.SchemaChange
	Records *uint64 `json:"records,omitempty"` // nil: no log was looked at
}

// Shown is what plan prints with -json.
type Shown struct {
	Changes []ShownChange     `json:"changes"`
	Log     *ShownReplay      `json:"log,omitempty"`
	Invalid []engineRow       `json:"invalid,omitempty"`
	Refused string            `json:"refused,omitempty"` // why a start would be
	Written string            `json:"written,omitempty"` // the file
	Counts  map[string]uint64 `json:"invalid_records,omitempty"`

	Migrations []ShownMigration `json:"migrations,omitempty"`
}

// ShownMigration is a migration that the program has.
type ShownMigration struct {
	Name    string `json:"name"`
	Model   string `json:"model"`
	Records uint64 `json:"records"` // of the model, now
	Done    bool   `json:"done"`
}

// ShownReplay is what was replayed.
type ShownReplay struct {
	Records uint64            `json:"log_records"`
	Seq     uint64            `json:"seq"`
	Events  uint64            `json:"events_decoded"`
	Rows    map[string]uint64 `json:"records"`
}

type engineRow struct {
	Model   string `json:"model"`
	Key     string `json:"key"`
	Problem string `json:"problem"`
}

// Concerned counts the records of a state that a change concerns.
func Concerned(root *state.Root, c model.SchemaChange) uint64 {
	s := root.SchemaByName(c.Model)
	if s == nil {
		return 0
	}
	if c.Field == "" {
		return uint64(root.Len(s.Number))
	}
	n := uint64(0)
	for _, row := range root.Scan(s.Number, state.Range{}) {
		if has(row.Bytes(), c.Number) {
			n++
		}
	}
	return n
}

// Show makes a document of changes and of what a rehearsal met; r may be nil.
func Show(changes []model.SchemaChange, r *engine.Rehearsal) *Shown {
	s := &Shown{Changes: []ShownChange{}}
	for _, c := range changes {
		shown := ShownChange{SchemaChange: c}
		if r != nil {
			n := Concerned(r.Root, c)
			shown.Records = &n
		}
		s.Changes = append(s.Changes, shown)
		if c.Class == model.Impossible && s.Refused == "" {
			s.Refused = fmt.Sprintf("%s.%s: %s", c.Model, c.Field, c.What)
		}
	}
	if r == nil {
		return s
	}
	s.Log, s.Counts = &ShownReplay{r.Records, r.Seq, r.Events, r.Rows}, r.BadByName
	for _, b := range r.Bad {
		s.Invalid = append(s.Invalid, engineRow(b))
	}
	if r.Refused != nil {
		s.Refused = r.Refused.Error()
	}
	return s
}

// PrintSchema prints changes for people, or as a document.
func (c *Console) PrintSchema(asJSON bool, s *Shown) error {
	if asJSON {
		return c.PrintJSON(s)
	}
	for _, x := range s.Changes {
		at := x.Model
		if x.Field != "" {
			at += "." + x.Field
		}
		count := ""
		if x.Records != nil && x.Class != model.Safe {
			count = fmt.Sprintf(" (%d records)", *x.Records)
		}
		fmt.Fprintf(c.Out, "%-10s %s: %s%s\n", x.Class, at, x.What, count)
	}
	if len(s.Changes) == 0 {
		fmt.Fprintln(c.Err, "nothing differs")
	}
	if s.Log != nil {
		fmt.Fprintf(c.Err, "replayed %d log records up to sequence %d; %d events decoded\n", s.Log.Records, s.Log.Seq, s.Log.Events)
	}
	for _, m := range s.Migrations {
		if !m.Done {
			fmt.Fprintf(c.Out, "%-10s %s: migration %s will look at %d records after the start\n", "migration", m.Model, m.Name, m.Records)
		}
	}
	for _, b := range s.Invalid {
		fmt.Fprintf(c.Err, "note: %d records of %s break its rules as they are now, such as %s: %s; they stay as they are until they are written\n", s.Counts[b.Model], b.Model, b.Key, b.Problem)
	}
	if s.Refused != "" {
		fmt.Fprintf(c.Err, "the start would be refused: %s\n", s.Refused)
	}
	return nil
}

// ShownSchema is one declaration in the log.
type ShownSchema struct {
	Seq     uint64               `json:"seq"`
	Time    string               `json:"time"`
	Model   string               `json:"model"`
	Version uint32               `json:"version"`
	Changes []model.SchemaChange `json:"changes"`
}

func setupSchemaHistory(fs *flag.FlagSet) func(*Console, Input) error {
	asJSON := fs.Bool("json", false, "print one JSON document a declaration")
	return func(c *Console, in Input) error { return c.schemaHistory(in, *asJSON) }
}

// schemaHistory prints each declaration of a model in the log, with what it changed.
func (c *Console) schemaHistory(in Input, asJSON bool) (err error) {
	o, err := openStopped(in, in.Args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	from, index, err := o.At(context.Background(), o.Oldest())
	if err != nil {
		return err
	}
	b, was := NewBook(from.Models()), map[string]*model.ReviewedModel{}
	for _, s := range from.Models() {
		r := model.Reviewed(s)
		was[s.Model] = &r
	}
	return o.Records(index+1, func(r eventlog.Record) error {
		if r.Kind != engine.KindBatch || r.Redacted {
			return nil
		}
		e, err := engine.DecodeEntry(r.Payload)
		if err != nil {
			return fmt.Errorf("log index %d: %w", r.Index, err)
		}
		for i := range e.Txs {
			for _, ev := range e.Txs[i].Events {
				if ev.Model != state.SchemaModel {
					continue
				}
				s := b.learn(&ev)
				if s == nil {
					return fmt.Errorf("log index %d: the declaration of %s cannot be read", r.Index, ev.Key)
				}
				now := model.Reviewed(s)
				if err := c.printDeclaration(asJSON, &ShownSchema{e.Txs[i].Seq, clock(r.Time), s.Model, s.Version, model.Compare(was[s.Model], &now)}); err != nil {
					return err
				}
				was[s.Model] = &now
			}
		}
		return nil
	})
}

func (c *Console) printDeclaration(asJSON bool, s *ShownSchema) error {
	if asJSON {
		return c.PrintJSON(s)
	}
	_, err := fmt.Fprintf(c.Out, "sequence %d  %s  %s version %d\n", s.Seq, s.Time, s.Model, s.Version)
	for _, x := range s.Changes {
		at := ""
		if x.Field != "" {
			at = x.Field + ": "
		}
		fmt.Fprintf(c.Out, "  %-10s %s%s\n", x.Class, at, x.What)
	}
	return err
}

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/state"
)

type stateFlags struct {
	json  bool
	model string
}

func (f *stateFlags) declare(fs *flag.FlagSet) {
	fs.BoolVar(&f.json, "json", false, "print one JSON document a record")
	fs.StringVar(&f.model, "model", "", "of this model alone")
}

// hides says that records of a model are not asked for: those of the engine's own are only
// by name.
func (f *stateFlags) hides(model string) bool {
	if f.model == "" {
		return strings.HasPrefix(model, "_")
	}
	return model != f.model
}

func setupStateAt(fs *flag.FlagSet) func(*Console, Input) error {
	var f stateFlags
	f.declare(fs)
	return func(c *Console, in Input) error {
		roots, err := readStates(in, in.Args[1], in.Args[:1])
		if err != nil {
			return err
		}
		return c.printChanges(f, state.Empty(), roots[0], "")
	}
}

func setupStateDiff(fs *flag.FlagSet) func(*Console, Input) error {
	var f stateFlags
	f.declare(fs)
	return func(c *Console, in Input) error {
		roots, err := readStates(in, in.Args[2], in.Args[:2])
		if err != nil {
			return err
		}
		return c.printChanges(f, roots[0], roots[1], "diff")
	}
}

// openStopped opens the data of a stopped application to read it. Where a restore was cut off, what stands there is not
// the whole.
func openStopped(in Input, dir string) (*engine.Offline, error) {
	if there, err := backup.Interrupted(disk.Real(), dir); err != nil || there {
		return nil, errors.Join(err, backup.ErrInterrupted)
	}
	return engine.OpenOffline(eventlog.Config{Dir: filepath.Join(dir, "log"), Keys: in.Keys}, engine.SnapshotConfig{Dir: filepath.Join(dir, "snapshots"), Keys: in.Keys})
}

// readStates returns the states of a stopped directory at some moments. It changes nothing.
func readStates(in Input, dir string, moments []string) (roots []*state.Root, err error) {
	o, err := openStopped(in, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	for _, text := range moments {
		root, err := stateAt(o, text)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}

func stateAt(o *engine.Offline, text string) (root *state.Root, err error) {
	w, err := parseWhen(text)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	switch w.kind {
	case whenTime:
		root, _, err = o.AtTime(ctx, w.time)
	case whenSeq:
		if root, _, err = o.At(ctx, w.seq); err == nil && root.Seq() != w.seq {
			err = &ExitError{CodeNotFound, fmt.Errorf("the log ends at index %d", root.Seq())}
		}
	default:
		root, _, err = o.At(ctx, math.MaxUint64)
	}
	return root, err
}

// shownRow is a record as it is printed, or a difference.
type shownRow struct {
	Model  string         `json:"model"`
	Key    string         `json:"key"`
	Change string         `json:"change,omitempty"` // created, updated, deleted
	Seq    uint64         `json:"seq,omitempty"`    // of the transaction that wrote it last
	Record map[string]any `json:"record,omitempty"`
	Before map[string]any `json:"before,omitempty"`
}

// printChanges prints the records by which two states differ; against the empty one, all.
func (c *Console) printChanges(f stateFlags, old, new *state.Root, how string) error {
	found := f.model == ""
	for _, s := range new.Models() {
		found = found || s.Model == f.model
	}
	if !found {
		return &ExitError{CodeNotFound, fmt.Errorf("there is no model %s", f.model)}
	}
	count := 0
	for change := range state.Diff(old, new) {
		s := new.Schema(change.Model)
		if s == nil {
			s = old.Schema(change.Model)
		}
		if s == nil || change.Model == state.SchemaModel || f.hides(s.Model) {
			continue
		}
		row := shownRow{Model: s.Model, Key: s.KeyText(change.Key)}
		if change.New != nil {
			row.Seq, row.Record = change.New.Seq(), fields(s, change.New.Bytes())
		}
		if how != "" {
			row.Change = "updated"
			if change.Old == nil {
				row.Change = "created"
			} else if row.Before = fields(s, change.Old.Bytes()); change.New == nil {
				row.Change = "deleted"
			}
		}
		count++
		if err := c.printRow(f.json, &row); err != nil {
			return err
		}
	}
	hash := new.Hash()
	_, err := fmt.Fprintf(c.Err, "%d records; sequence %d, %s, state hash %x\n", count, new.Seq(), time.Unix(0, new.Time()).UTC().Format(time.RFC3339Nano), hash)
	return err
}

func (c *Console) printRow(json bool, r *shownRow) error {
	if json {
		return c.PrintJSON(r)
	}
	line := fmt.Appendf(nil, "%s %s", r.Model, r.Key)
	if r.Change != "" {
		line = fmt.Appendf(nil, "%s %s %s", r.Change, r.Model, r.Key)
	}
	for _, part := range []struct {
		word   string
		fields map[string]any
	}{{" was ", r.Before}, {" ", r.Record}} {
		if len(part.fields) == 0 {
			continue
		}
		text, err := jsonx.Append(nil, part.fields)
		if err != nil {
			return err
		}
		line = append(append(line, part.word...), text...)
	}
	_, err := c.Out.Write(append(line, '\n'))
	return err
}

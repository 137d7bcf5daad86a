package lithair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
)

// readReview reads a reviewed copy from a file; nil when there is none.
func readReview(name string) (*model.Review, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > model.MaxReviewBytes {
		return nil, fmt.Errorf("%s has %d bytes; a reviewed copy has at most %d", name, info.Size(), model.MaxReviewBytes)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := model.ParseReview(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// checkReview holds the program against the reviewed copy, if there is one, and has the engine
// hold it against the log.
func (a *App) checkReview() error {
	var r *model.Review
	var err error
	switch {
	case a.cfg.SchemaFile != "":
		r, err = readReview(a.cfg.SchemaFile)
	case a.cfg.Schema != nil:
		r, err = model.ParseReview(a.cfg.Schema)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("schema-file: %w", err)
	}
	return a.engine.Review(r)
}

// models are those that are registered.
func (a *App) models() (list []*model.Model) {
	for _, t := range a.engine.Tables() {
		list = append(list, t.Model())
	}
	return list
}

// schema carries out schema diff, plan and apply.
func (a *App) schema(c *cli.Console, f cli.SchemaFlags, in cli.Input) error {
	if err := errors.Join(a.errs...); err != nil {
		return err
	}
	rehearsal, err := a.rehearse(f, in)
	if err != nil {
		return err
	}
	old, err := a.reviewed(f, rehearsal)
	if err != nil {
		return err
	}
	changes, next, err := a.compare(old)
	if err != nil {
		return &cli.ExitError{Code: cli.CodeFailed, Err: err}
	}
	if rehearsal == nil || f.Verb == "diff" && f.Dir == "" {
		rehearsal = nil
	}
	shown := cli.Show(changes, rehearsal)
	if rehearsal != nil && rehearsal.Refused == nil {
		if err := next.Fits(rehearsal.Root.Models()); err != nil {
			shown.Refused = err.Error()
		}
	}
	if f.Verb == "plan" && rehearsal != nil && shown.Refused == "" && a.cfg.SchemaFile == "" && a.cfg.Schema == nil {
		if err := a.engine.CheckGone(rehearsal.Root, func(string, string, int) {}); err != nil {
			shown.Refused = err.Error()
		}
	}
	if rehearsal != nil {
		if shown.Migrations, err = a.planned(rehearsal.Root); err != nil {
			return err
		}
	}
	if f.Verb == "apply" && shown.Refused == "" {
		if err := mayApply(f, changes); err != nil {
			return errors.Join(c.PrintSchema(f.JSON, shown), err)
		}
		text, err := next.Text()
		if err != nil {
			return err
		}
		name, err := filepath.Abs(f.File)
		if err != nil {
			return err
		}
		if err := disk.WriteFileAtomic(disk.Real(), name, text); err != nil {
			return err
		}
		shown.Written = f.File
	}
	if err := c.PrintSchema(f.JSON, shown); err != nil {
		return err
	}
	switch {
	case shown.Refused != "" && f.JSON:
		return &cli.ExitError{Code: cli.CodeFailed}
	case shown.Refused != "":
		return errors.New("not possible as it is; nothing was written")
	case f.Check && len(changes) > 0:
		return fmt.Errorf("%s is not up to date: run schema apply", f.File)
	case shown.Written != "" && !f.JSON:
		fmt.Fprintf(c.Err, "wrote %s\n", f.File)
	}
	return nil
}

// mayApply says which flag is missing for changes that are not safe.
func mayApply(f cli.SchemaFlags, changes []model.SchemaChange) error {
	for _, x := range changes {
		switch {
		case x.Class == model.Breaking && !f.Breaking:
			return errors.New("some changes are breaking; nothing was written. -allow-breaking agrees to them")
		case x.Class == model.Lossy && !f.Lossy:
			return errors.New("some changes are lossy; nothing was written. -allow-lossy agrees to them")
		}
	}
	return nil
}

// rehearse replays the log under the models of this program; nil where there is no log.
func (a *App) rehearse(f cli.SchemaFlags, in cli.Input) (r *engine.Rehearsal, err error) {
	if f.Dir == "" {
		return nil, nil
	}
	if segments, err := fs.Glob(os.DirFS(filepath.Join(f.Dir, "log")), "*.seg"); err != nil || len(segments) == 0 {
		return nil, err
	}
	o, err := engine.OpenOffline(eventlog.Config{Dir: filepath.Join(f.Dir, "log"), Keys: in.Keys}, engine.SnapshotConfig{Dir: filepath.Join(f.Dir, "snapshots"), Keys: in.Keys})
	if err != nil {
		var locked *disk.LockedError
		if errors.As(err, &locked) {
			return nil, fmt.Errorf("%w; or make a copy of it with backup and restore, and name that with -dir", err)
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	return a.engine.Rehearse(context.Background(), o)
}

// reviewed is what the program is held against: the file, or what the log declares where there is
// no file, or where that was asked for; nil: nothing.
func (a *App) reviewed(f cli.SchemaFlags, r *engine.Rehearsal) (*model.Review, error) {
	if f.FromLog && r == nil {
		return nil, &cli.ExitError{Code: cli.CodeNotFound, Err: fmt.Errorf("%s holds no log; -dir names a data directory", f.Dir)}
	}
	if !f.FromLog {
		old, err := readReview(f.File)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return old, err
		}
	}
	if r == nil {
		return nil, nil
	}
	old := &model.Review{Format: 1}
	for _, s := range r.Root.Models() {
		if !model.Internal(s.Model) {
			old.Models = append(old.Models, model.Reviewed(s))
		}
	}
	return old, nil
}

// compare lists the changes from a reviewed copy to the program, and makes the next copy.
func (a *App) compare(old *model.Review) (changes []model.SchemaChange, next *model.Review, err error) {
	if next, err = old.Next(a.models()); err != nil {
		return nil, nil, err
	}
	for i := range next.Models {
		now := &next.Models[i]
		var was *model.ReviewedModel
		if old != nil {
			was = old.Find(now.Model)
		}
		if was == nil && now.Removed {
			continue
		}
		changes = append(changes, model.Compare(was, now)...)
	}
	return changes, next, nil
}

package lithair

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/subject"
	"github.com/lithair/lithair-go/wire"
)

// lazySubjects finds the keys of subjects when they are needed: flags may change where.
type lazySubjects struct{ a *App }

// Take implements engine.SubjectKeys.
func (l lazySubjects) Take() (id [16]byte, key [32]byte, err error) {
	return l.a.subjects.Load().Take()
}

// Key implements engine.SubjectKeys.
func (l lazySubjects) Key(id [16]byte) (key [32]byte, ok bool) { return l.a.subjects.Load().Key(id) }

// Destroyed implements engine.SubjectKeys.
func (l lazySubjects) Destroyed(id [16]byte) bool { return l.a.subjects.Load().Destroyed(id) }

// openSubjects opens the keys beside the log.
func (a *App) openSubjects() error {
	s, err := subject.Open(subject.Config{Dir: path.Join(a.cfg.Dir, "subjects"), FS: a.cfg.FS, Keys: a.keys})
	if err == nil {
		a.subjects.Store(s)
	}
	return err
}

// settleSubjects holds the keys against the subjects there are: an erasure that was cut off
// is finished, one that a restore took back is repeated, and a key that is missing is told.
func (a *App) settleSubjects(ctx context.Context) error {
	list, err := a.engine.Subjects()
	if err != nil {
		return err
	}
	keys := a.subjects.Load()
	used, missing := map[[16]byte]bool{}, 0
	for _, s := range list {
		used[s.KeyID] = true
		_, there := keys.Key(s.KeyID)
		switch {
		case !s.Erased.IsZero():
			err = errors.Join(err, keys.Forget(s.KeyID))
		case keys.Destroyed(s.KeyID):
			_, e := a.engine.Erase(ctx, s.Name, engine.System)
			err = errors.Join(err, e)
		case !there:
			missing++
		}
	}
	if missing > 0 {
		err = errors.Join(err, fmt.Errorf("the keys of %d subjects are missing, and what is sealed for them cannot be read: put the directory subjects back, from a backup", missing))
	}
	keys.Settle(used)
	return err
}

// Erase destroys the key of a subject: what stands in sealed fields of records about it can
// not be read any more, in the newest state, in history, log and snapshots, and in backups
// that are made from now on. Such fields have no value then; the records stay, and so does
// the subject's own field. Nothing more can be sealed for the subject. It is durable on
// return, may be repeated, and waits for backups under way.
//
// Backups made before still hold the key: destroy those. So does a medium, for a while, that
// keeps what was overwritten, unless data is encrypted (Config.EncryptionKeyFile).
//
// Errors: ErrNotFound when nothing was ever sealed for the subject; as Update; those of the
// disk, with which the key may still be there: repeat it.
func (a *App) Erase(ctx context.Context, subject string) error {
	id, err := a.engine.Erase(ctx, subject, PrincipalOf(ctx).ID)
	if err != nil {
		return err
	}
	a.copying.Lock()
	defer a.copying.Unlock()
	if err := a.subjects.Load().Forget(id); err != nil {
		return err
	}
	a.log.Info("a subject was erased")
	return nil
}

// serveErase answers POST /erase on the operator's socket: {"subject": "..."}.
func (a *App) serveErase(w *wire.Response, r *wire.Request) error {
	if !a.ready.Load() {
		return &wire.Error{Status: 503, Detail: "the application is starting"}
	}
	body, err := r.BorrowBody(0)
	if err != nil {
		return err
	}
	var in struct {
		Subject string `json:"subject"`
	}
	if err := jsonx.Unmarshal(body, &in, jsonx.RejectUnknownMembers()); err != nil {
		return rest.ToError(err)
	}
	switch err := a.Erase(r.Context(), in.Subject); {
	case errors.Is(err, ErrNotFound):
		return &wire.Error{Status: 404, Detail: "nothing was ever sealed for that subject"}
	case err != nil:
		return rest.ToError(err)
	}
	w.Status(204)
	return nil
}

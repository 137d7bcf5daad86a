package lithair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"path"
	"strings"
	"time"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// Blob is a field that names a file. Of a model served under /api/photos, a field
// "image" of this type or a pointer to it is
//
//	PUT    /api/photos/{id}/image   the file, as it is or as multipart/form-data
//	GET    /api/photos/{id}/image   with ranges, conditions and ETag; level, min_index, freshness and at as of a record
//	DELETE /api/photos/{id}/image
//
// and POST /api/_blobs takes a file before there is a record: what it answers is the
// field's JSON. Files are kept by their content in the data directory, are durable before
// a record names them, and are removed when no state that can still be read names them.
type Blob = model.Blob

// blobGrace is how long a file stays that nothing names: between its upload and the record.
const blobGrace = time.Hour

// collectEvery is how often files that nothing names are looked for.
const collectEvery = time.Hour

func (a *App) blobDir() string { return path.Join(a.cfg.Dir, "blobs") }

// openBlobs opens the files beside the log, which is locked by then.
func (a *App) openBlobs() error {
	s, err := blob.Open(blob.Config{Dir: a.blobDir(), FS: a.cfg.FS, MaxBytes: a.cfg.MaxBlobBytes, Keys: a.keys, Clock: a.cfg.Clock})
	if err != nil {
		return err
	}
	a.blobs.Store(s)
	return nil
}

// PutBlob keeps a file, durably. The result names it: it goes into a field of a record
// within an hour, or the file is removed. Only the last element of name is kept. In a cluster
// it is durable on a majority of the voters.
//
// Errors: those of r and of the disk; *blob.TooLargeError; *wire.Error (503) without a majority.
func (a *App) PutBlob(r io.Reader, name, contentType string) (Blob, error) {
	s := a.blobs.Load()
	if s == nil {
		return Blob{}, errUnusable
	}
	if _, _, err := mime.ParseMediaType(contentType); err != nil {
		contentType = "application/octet-stream"
	}
	ref, err := s.Put(r)
	if c := a.cluster.Load(); c != nil && err == nil {
		err = a.spread(c, ref)
	}
	return Blob{ID: ref.Hash, Size: ref.Size, ContentType: contentType, Name: fileName(name)}, err
}

// fileName is the last element of a path, at most 255 bytes of it.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return strings.ToValidUTF8(name[:min(len(name), 255)], "")
}

// OpenBlob opens the file that a blob names. The caller closes it. A file that another node of the cluster
// has, and this one not yet, is fetched, which may take RequestTimeout.
//
// Errors: blob.ErrNotFound, blob.ErrDamaged, those of the disk and of the fetch.
func (a *App) OpenBlob(b Blob) (*blob.File, error) {
	s := a.blobs.Load()
	if s == nil {
		return nil, errUnusable
	}
	f, err := s.Open(b.ID)
	if !errors.Is(err, blob.ErrNotFound) || !blob.ValidHash(b.ID) {
		return f, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.RequestTimeout)
	defer cancel()
	if err := a.haveBlob(ctx, b.ID); err != nil {
		return nil, err
	}
	return s.Open(b.ID)
}

// VerifyBlob reads the file that a blob names and says whether it is what was put.
func (a *App) VerifyBlob(b Blob) error {
	s := a.blobs.Load()
	if s == nil {
		return errUnusable
	}
	return s.Verify(b.ID)
}

// CollectBlobs removes the files that no state names which can still be read: neither the
// newest, nor any in the history that Retention keeps. Files stay for an hour after they
// were put. The application calls it every hour; it waits for backups under way.
//
// Errors: ctx's; those of the log and of the disk.
func (a *App) CollectBlobs(ctx context.Context) (removed int, err error) {
	s := a.blobs.Load()
	if s == nil {
		return 0, errUnusable
	}
	a.copying.Lock()
	defer a.copying.Unlock()
	removed, err = s.Collect(blobGrace, func(unused map[string]bool) error { return a.findNamed(ctx, unused) })
	if removed > 0 {
		a.log.Info("removed files that nothing names any more", "files", removed)
	}
	return removed, err
}

// findNamed takes out of unused what some state names that can be read. What only history
// names is named as long as the log begins where it does, so that it is not read for the
// same files again. a.copying is held.
func (a *App) findNamed(ctx context.Context, unused map[string]bool) error {
	first := a.events.First()
	if first != a.namedFrom {
		a.named, a.namedFrom = map[string]bool{}, first
	}
	asked := maps.Clone(unused)
	for hash := range unused {
		if a.named[hash] {
			delete(unused, hash)
		}
	}
	err := a.engine.EachKept(ctx, func(b []byte) bool {
		if len(unused) > 0 {
			blob.Named(b, unused)
		}
		return len(unused) > 0
	})
	if err != nil {
		return err
	}
	for hash := range asked {
		if !unused[hash] {
			a.named[hash] = true
		}
	}
	return nil
}

// collectBlobs is the goroutine that collects until ctx ends.
func (a *App) collectBlobs(ctx context.Context) {
	t := time.NewTicker(collectEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := a.CollectBlobs(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("files that nothing names could not be removed", "error", err)
			}
		}
	}
}

// mountBlobs serves the files of a model, and keeps its records from naming files that are
// not there.
func (a *App) mountBlobs(t *engine.Table, readable *rest.ReadRule, base string) {
	fields := t.Model().Blobs()
	if len(fields) == 0 {
		return
	}
	a.engine.Before(t, func(_ *engine.Tx, c *engine.Change) error { return a.checkBlobs(t, fields, c) })
	if !a.takesBlobs && base != "" {
		a.takesBlobs = true
		a.note(a.router.Handle("POST /api/_blobs", a.largeBody(a.uploadAlone)))
	}
	for _, f := range fields {
		if base == "" || f.JSON == "" || f.Hidden {
			continue
		}
		h := &blobField{app: a, table: t, view: rest.NewView(t, readable), field: f, base: base}
		pattern := base + "/{id}/" + f.JSON
		a.note(errors.Join(a.router.Handle("GET "+pattern, h.get), a.router.Handle("PUT "+pattern, a.largeBody(h.put)), a.router.Handle("DELETE "+pattern, h.remove)))
	}
}

// checkBlobs refuses a record that names a file which is not there. The file stays, from
// here on until the record is committed and names it.
func (a *App) checkBlobs(t *engine.Table, fields []*model.Field, c *engine.Change) error {
	if c.New == nil {
		return nil
	}
	var bad []model.Violation
	for _, f := range fields {
		b := f.BlobOf(c.New)
		if b == nil {
			continue
		}
		size, there := a.blobs.Load().Use(b.ID)
		if !there && blob.ValidHash(b.ID) && a.wantBlob(b.ID) {
			return errBlobUnder(b.ID)
		}
		if !there {
			bad = append(bad, model.Violation{Field: f.Name, Pointer: "/" + f.Name + "/id", Code: "blob", Message: "must name a file that was uploaded"})
		}
		b.Size, b.Name = size, fileName(b.Name)
		if _, _, err := mime.ParseMediaType(b.ContentType); err != nil {
			b.ContentType = "application/octet-stream"
		}
	}
	if bad != nil {
		return &ValidationError{Model: t.Name(), Violations: bad}
	}
	return nil
}

// largeBody lets a handler take a file of Config.MaxBlobBytes, with what stands around it
// in a form. The setting is read when a request comes: flags may change it.
func (a *App) largeBody(h wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		return wire.LargeBody(a.cfg.MaxBlobBytes+1<<20)(h)(w, r)
	}
}

// upload stores the file in a body: the first file of a form, or the body as it is.
func (a *App) upload(r *wire.Request) (b Blob, err error) {
	if err := r.Decompress(); err != nil { // the file is what was coded, as the client will read it
		return b, err
	}
	kind, params, err := mime.ParseMediaType(r.Header("Content-Type"))
	if err != nil {
		kind = "application/octet-stream"
	}
	if kind != "multipart/form-data" {
		_, params, err = mime.ParseMediaType(r.Header("Content-Disposition"))
		if err != nil {
			params = nil
		}
		b, err = a.PutBlob(r.Body(), params["filename"], r.Header("Content-Type"))
		return b, notTaken(err)
	}
	found := false
	for p, err := range r.Parts(wire.FormLimits{MaxFiles: 1, MaxFileBytes: a.cfg.MaxBlobBytes}) {
		if err != nil {
			return b, err
		}
		if !p.IsFile {
			continue
		}
		found = true
		if b, err = a.PutBlob(p, p.FileName, p.Type); err != nil {
			return b, notTaken(err)
		}
	}
	if !found {
		return b, &wire.Error{Status: 400, Code: rest.CodeBadRequest.Code, Detail: "the form has no file"}
	}
	return b, nil
}

// notTaken makes the limit of the store, and a full disk, a status.
func notTaken(err error) error {
	var large *blob.TooLargeError
	if errors.As(err, &large) {
		return &wire.Error{Status: 413, Detail: fmt.Sprintf("the file is over the limit of %d bytes", large.Limit), Err: err}
	}
	if disk.IsFull(err) {
		c := rest.CodeFull
		return &wire.Error{Status: c.Status, Code: c.Code, Title: c.Title, Detail: "the server's disk has no room for the file", Err: err}
	}
	return err
}

// uploadAlone answers POST /api/_blobs.
func (a *App) uploadAlone(w *wire.Response, r *wire.Request) error {
	if _, err := a.admit(r, rest.Action{Verb: "create", Model: "_blob"}); err != nil {
		return err
	}
	b, err := a.upload(r)
	if err != nil {
		return err
	}
	return sendBlob(w, 201, &b)
}

// allow asks the guard.
func (a *App) admit(r *wire.Request, act Action) (Principal, error) {
	p, err := a.guard.Authenticate(r)
	if err != nil {
		return p, refused(rest.CodeUnauthorized, err)
	}
	if err := a.guard.Authorize(p, act); err != nil {
		return p, refused(rest.CodeForbidden, err)
	}
	return p, nil
}

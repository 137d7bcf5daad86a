package lithair

import (
	"errors"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// blobField serves one field of one model.
type blobField struct {
	app   *App
	table *engine.Table
	view  *rest.View
	field *model.Field
	base  string
}

// load reads the record of a request, of a state or, where root is nil, inside a transaction. One
// that the principal may not read is not there.
func (h *blobField) load(get func(model uint32, key string) *state.Row, root *state.Root, p Principal, r *wire.Request) (v any, err error) {
	codec := h.table.Codec()
	key, err := codec.ParseKey(r.PathValue("id"))
	if err != nil {
		return nil, &wire.Error{Status: 404, Detail: "no record has that id", Err: err}
	}
	row, hidden := get(h.table.Number(), key), false
	if row != nil {
		if hidden, err = h.view.Hides(root, p, row); err != nil {
			return nil, err
		}
	}
	if row == nil || hidden {
		return nil, &wire.Error{Status: 404, Detail: "no record has that id"}
	}
	v = codec.New()
	return v, codec.Decode(row.Bytes(), v)
}

func (h *blobField) action(verb string, r *wire.Request) Action {
	return Action{Verb: verb, Model: h.table.Name(), Key: r.PathValue("id")}
}

func (h *blobField) get(w *wire.Response, r *wire.Request) error {
	p, err := h.app.admit(r, h.action("read", r))
	if err != nil {
		return err
	}
	root, err := rest.ReadState(w, r, h.app.engine, h.table, h.app.restOptions())
	if err != nil {
		return err
	}
	v, err := h.load(root.Get, root, p, r)
	if err != nil {
		return err
	}
	b := h.field.BlobOf(v)
	if b == nil {
		return &wire.Error{Status: 404, Detail: "the record has no such file"}
	}
	f, err := h.app.OpenBlob(*b)
	if err != nil {
		return notTaken(err) // a member that does not have it yet fetches it first
	}
	return errors.Join(serveBlob(w, r, b, f), f.Close())
}

// shown are the media types that a browser may show in place; it is to save all others, so
// that a file that somebody uploaded does not run in the name of this site.
var shown = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "audio/", "video/", "text/plain", "application/pdf"}

func serveBlob(w *wire.Response, r *wire.Request, b *Blob, f *blob.File) error {
	safe := false
	for _, t := range shown {
		safe = safe || strings.HasPrefix(b.ContentType, t)
	}
	err := w.SetHeader("Content-Security-Policy", "default-src 'none'; sandbox")
	if !safe {
		err = errors.Join(err, w.Attachment(b.Name))
	}
	if err != nil {
		return err
	}
	return w.ServeContent(r, wire.Content{Body: f, Size: f.Size(), Type: b.ContentType, ETag: strconv.Quote(b.ID)})
}

func (h *blobField) put(w *wire.Response, r *wire.Request) error {
	p, err := h.app.admit(r, h.action("patch", r))
	if err != nil {
		return err
	}
	root, err := h.app.engine.Barrier(r.Context(), engine.Linearizable) // a leader that was just elected may be behind
	if err != nil {
		return rest.ToError(err)
	}
	if _, err := h.load(root.Get, root, p, r); err != nil {
		return err // before the file is taken
	}
	b, err := h.app.upload(r)
	if err != nil {
		return err
	}
	if err := h.set(w, r, p, &b); err != nil {
		return err
	}
	return sendBlob(w, 200, &b)
}

func (h *blobField) remove(w *wire.Response, r *wire.Request) error {
	p, err := h.app.admit(r, h.action("patch", r))
	if err != nil {
		return err
	}
	if err := h.set(w, r, p, nil); err != nil {
		return err
	}
	w.Status(204)
	return nil
}

// set changes the field in a transaction of its own. If-Match is about the file.
func (h *blobField) set(w *wire.Response, r *wire.Request, p Principal, b *Blob) error {
	ctx := r.Context()
	res, err := h.app.engine.Do(ctx, onBehalf(ctx, engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
		v, err := h.load(tx.Get, nil, p, r)
		if err != nil {
			return engine.Answer{}, err
		}
		have := wire.Representation{Missing: true}
		if old := h.field.BlobOf(v); old != nil {
			have = wire.Representation{ETag: strconv.Quote(old.ID)}
		}
		if wire.CheckPreconditions(r, have) == 412 {
			return engine.Answer{}, &wire.Error{Status: 412, Detail: "the file is another one by now"}
		}
		h.field.SetBlob(v, b)
		return engine.Answer{}, tx.Put(h.table, v)
	}}))
	if err != nil {
		return rest.ToError(err)
	}
	return w.SetHeader("Lithair-Index", strconv.FormatUint(res.Seq, 10))
}

// sendBlob answers with the JSON of a field.
func sendBlob(w *wire.Response, status int, b *Blob) error {
	text, err := jsonx.Marshal(b)
	if err != nil {
		return err
	}
	return w.Send(status, "application/json", append(text, '\n'))
}

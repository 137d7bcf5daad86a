package rest

import (
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
)

// View is what clients may see of a model's records, for those who send them by other ways than
// this package: fields that are hidden are in nothing it returns. It is safe for concurrent use.
type View struct{ c collection }

// NewView returns the view of a model. readable says which records somebody may read; nil: all.
func NewView(t *engine.Table, readable *ReadRule) *View {
	return &View{collection{t: t, shape: newShape(t.Model()), opt: Options{Readable: readable}}}
}

// Ruled says that not everybody may read every record.
func (v *View) Ruled() bool { return v.c.opt.Readable != nil && len(v.c.opt.Readable.pairs) > 0 }

// Rule returns which records of a state somebody may read, a [Principal]; nil: all of them.
func (v *View) Rule(root *state.Root, who any) (*query.Query, error) {
	p, _ := who.(Principal)
	return v.c.rule(p, v.c.schemaAt(root))
}

// Hides says that a principal may not read a record of a state. root is nil inside a transaction.
func (v *View) Hides(root *state.Root, p Principal, row *state.Row) (bool, error) {
	s := v.c.t.Schema()
	if root != nil {
		s = v.c.schemaAt(root)
	}
	return v.c.hides(p, s, row.Bytes())
}

// JSON returns a record as GET answers with it: an object without white space. It must not be
// changed.
func (v *View) JSON(row *state.Row) ([]byte, error) {
	r, err := v.c.render(row)
	if err != nil {
		return nil, err
	}
	return r.body, nil
}

// Query reads a list query, as GET of a collection takes it. Errors are *[query.Error].
func (v *View) Query(root *state.Root, pairs [][2]string, opt query.Options) (*query.Query, error) {
	return query.Parse(v.c.t.Model(), v.c.schemaAt(root), pairs, opt)
}

// AppendEvent appends what an event says of the fields that clients may see: the members of the
// record that was made, those that were changed with null for the ones that are gone, or null
// of a record that was deleted.
func (v *View) AppendEvent(dst []byte, ev *state.Event) (_ []byte, err error) {
	if ev.Kind == state.Deleted {
		return append(dst, "null"...), nil
	}
	ptr := v.c.t.Codec().New()
	if err := v.c.t.Codec().Decode(ev.Fields, ptr); err != nil {
		return dst, err
	}
	if ev.Kind == state.Created {
		return v.c.shape.append(dst, ptr)
	}
	names := v.c.visibleNames(engine.FieldNumbers(ev.Fields))
	if dst, err = v.c.shape.appendFields(dst, ptr, names); err != nil {
		return dst, err
	}
	dst = dst[:len(dst)-1]
	for _, name := range v.c.visibleNames(ev.Cleared) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(jsonx.AppendString(dst, name), ":null"...)
	}
	return append(dst, '}'), nil
}

// Records returns the records of a state.
func (v *View) Records(root *state.Root) query.Source[*state.Row] {
	return Records(root, v.c.t.Number())
}

// Name returns the model's name.
func (v *View) Name() string { return v.c.t.Name() }

// Number returns the model's number in the log; 0 before Ready.
func (v *View) Number() uint32 { return v.c.t.Number() }

// ParseKey reads a primary key as it stands in paths.
func (v *View) ParseKey(text string) (string, error) { return v.c.t.Codec().ParseKey(text) }

// KeyText returns a primary key as it stands in paths.
func (v *View) KeyText(key string) string { return v.c.t.Codec().KeyText(key) }

// Ready says that the model is declared in the log; before that, nothing else may be asked.
func (v *View) Ready() bool { return v.c.t.Codec() != nil }

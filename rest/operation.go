package rest

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
	"github.com/lithair/lithair-go/wire"
)

// operation is one change of a record, or a check without one.
type operation struct {
	c       *collection
	who     Principal
	verb    string // create put patch delete check
	id      string
	data    []byte // JSON of the record or the merge patch
	at      string // pointer of data in the body
	ifMatch string // list of entity tags; "" for none
	ifNone  string
	expect  *bool // check: the record is there, or is not
}

// outcome is what an operation did.
type outcome struct {
	c      *collection
	status int
	row    *state.Row // nil when there is none
	key    string
}

// reservedIDs are segments with a meaning of their own, "." and ".." by RFC 3986 §5.2.4.
var reservedIDs = []string{"count", "random-id", "stream", "live", "_bulk", ".", ".."}

// run carries an operation out inside a transaction.
func (o *operation) run(tx *engine.Tx) (outcome, error) {
	if o.verb == "create" {
		return o.create(tx, "")
	}
	key, err := o.c.t.Codec().ParseKey(o.id)
	if err != nil {
		return outcome{}, err
	}
	row := tx.Get(o.c.t.Number(), key)
	if row != nil {
		hidden, err := o.c.hides(o.who, o.c.t.Schema(), row.Bytes())
		if err != nil {
			return outcome{}, err
		}
		if hidden {
			row = nil
		}
	}
	if err := o.precondition(row); err != nil {
		return outcome{}, err
	}
	out := outcome{c: o.c, status: 200, row: row, key: key}
	if o.verb == "check" {
		return out, nil
	}
	if row == nil {
		if o.verb == "put" && o.ifNone == "*" {
			return o.create(tx, key)
		}
		return outcome{}, o.c.missing(o.id)
	}
	switch o.verb {
	case "delete":
		return outcome{c: o.c, status: 204, key: key}, tx.Delete(o.c.t, key)
	case "put":
		err = o.replace(tx, key, o.data)
	default:
		err = o.patch(tx, key, row)
	}
	if err != nil {
		return outcome{}, err
	}
	out.row = tx.Get(o.c.t.Number(), key)
	return out, nil
}

// precondition checks If-Match, If-None-Match and expect against the current version.
func (o *operation) precondition(row *state.Row) error {
	failed := func(detail string) error {
		e := fault(CodePrecondition, o.c.t.Name()+" "+strconv.Quote(o.id)+" "+detail)
		if row != nil {
			e.Header = append(e.Header, [2]string{"ETag", etag(row)})
		}
		return e
	}
	if o.expect != nil && *o.expect != (row != nil) {
		if row == nil {
			return failed("does not exist")
		}
		return failed("exists")
	}
	if o.ifMatch != "" && (row == nil || !wire.MatchETag(o.ifMatch, etag(row), false)) {
		if row == nil {
			return failed("does not exist")
		}
		return failed("has version " + etag(row) + ", not " + o.ifMatch)
	}
	if o.ifNone != "" && row != nil && wire.MatchETag(o.ifNone, etag(row), true) {
		return failed("has that version, or exists")
	}
	return nil
}

// create makes a record. key is that of the path; "" when the body or the server names it.
func (o *operation) create(tx *engine.Tx, key string) (outcome, error) {
	c := o.c
	ptr := c.t.Codec().New()
	if err := c.shape.decode(o.data, ptr, o.at); err != nil {
		return outcome{}, err
	}
	if err := c.serverFields(ptr, nil, o.at); err != nil {
		return outcome{}, err
	}
	if key != "" {
		if err := c.setKey(ptr, key, o.id, o.at); err != nil {
			return outcome{}, err
		}
	}
	if v := c.t.Model().FieldValue(ptr, c.t.Model().Primary); v.Kind() == reflect.String && slices.Contains(reservedIDs, v.String()) {
		name := c.t.Model().Primary.Name
		return outcome{}, fault(CodeReservedID, "the id "+strconv.Quote(v.String())+" has a meaning of its own in paths", Item{Field: name, Pointer: o.at + "/" + escape(name), Code: "reserved", Message: "is reserved"})
	}
	if key == "" && c.lacksKey(ptr, o.data) {
		return outcome{}, c.noKey("is missing", o.at)
	}
	if err := tx.Insert(c.t, ptr); err != nil {
		return outcome{}, c.badKey(err, o.at)
	}
	made, err := c.t.Codec().Key(ptr)
	if err != nil {
		return outcome{}, err
	}
	return outcome{c: c, status: 201, row: tx.Get(c.t.Number(), made), key: made}, nil
}

// lacksKey says that a body names no integer key. The engine sees zero then, which is a
// key as any other.
func (c *collection) lacksKey(ptr any, data []byte) bool {
	primary := c.t.Model().Primary
	v := c.t.Model().FieldValue(ptr, primary)
	if !v.CanInt() && !v.CanUint() || !v.IsZero() {
		return false
	}
	body, err := jsonx.Parse(data)
	if err != nil {
		return false // decode has read it
	}
	own, ok := body.Get(primary.JSON)
	return !ok || own.Kind() == jsonx.Null
}

func (c *collection) noKey(message, at string) error {
	name := c.t.Model().Primary.Name
	return fault(CodeInvalid, c.t.Name()+"."+name+" "+message, Item{Field: name, Pointer: at + "/" + escape(name), Code: "id", Message: message})
}

// badKey turns a body's unusable id, which is no unknown path, into a violation.
func (c *collection) badKey(err error, at string) error {
	var key *model.KeyError
	switch {
	case errors.As(err, &key) && key.Text == "":
		return c.noKey("is missing", at)
	case errors.As(err, &key):
		return c.noKey("must be "+key.Want, at)
	}
	return toError(err, at)
}

// setKey puts the key of the path into a record whose body has none, and refuses another.
func (c *collection) setKey(ptr any, key, id, at string) error {
	m := c.t.Model()
	v := m.FieldValue(ptr, m.Primary)
	if v.IsZero() {
		if v.Kind() == reflect.String {
			v.SetString(id)
			return nil
		}
		text := jsonx.AppendString(nil, id)
		if v.CanInt() || v.CanUint() {
			text = []byte(id)
		}
		return jsonx.Unmarshal(text, v.Addr().Interface())
	}
	if own, err := c.t.Codec().Key(ptr); err != nil || own != key {
		return c.readOnly(m.Primary.Name, "is not the id of the path", at)
	}
	return nil
}

func (c *collection) readOnly(field, message, at string) error {
	return fault(CodeReadOnly, c.t.Name()+"."+field+" "+message, Item{Field: field, Pointer: at + "/" + escape(field), Code: "read_only", Message: message})
}

// serverFields refuses times that the server sets, unless they are what is stored. The
// engine then sets them.
func (c *collection) serverFields(ptr, old any, at string) error {
	m := c.t.Model()
	for _, f := range m.Fields {
		if !f.Created && !f.Updated {
			continue
		}
		v := m.FieldValue(ptr, f)
		given := v.Interface().(time.Time)
		if given.IsZero() {
			continue
		}
		if old == nil || !given.Equal(m.FieldValue(old, f).Interface().(time.Time)) {
			return c.readOnly(f.Name, "is set by the server", at)
		}
	}
	return nil
}

// replace puts the record of data, with the hidden fields of the present one.
func (o *operation) replace(tx *engine.Tx, key string, data []byte) error {
	c := o.c
	old, ptr := c.t.Codec().New(), c.t.Codec().New()
	if _, err := tx.Load(c.t, key, old); err != nil {
		return err
	}
	if _, err := tx.Load(c.t, key, ptr); err != nil {
		return err
	}
	if err := c.shape.decode(data, ptr, o.at); err != nil {
		return err
	}
	if err := c.setKey(ptr, key, o.id, o.at); err != nil {
		return err
	}
	if err := c.serverFields(ptr, old, o.at); err != nil {
		return err
	}
	return tx.Put(c.t, ptr)
}

// patch applies a merge patch (RFC 7396) to the present record. The patch is read as a
// record first: that finds unknown members, those set to null as well, and wrong types at
// their place in the body.
func (o *operation) patch(tx *engine.Tx, key string, row *state.Row) error {
	if err := o.c.shape.decode(o.data, o.c.t.Codec().New(), o.at); err != nil {
		return err
	}
	now, err := o.c.render(row)
	if err != nil {
		return err
	}
	merged, err := jsonx.MergePatch(nil, now.body, o.data)
	if err != nil {
		return err
	}
	return o.replace(tx, key, merged)
}

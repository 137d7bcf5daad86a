package rest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/wire"
)

// request is one operation as it stands in the body of _bulk or _tx.
type request struct {
	Op      string         `json:"op"`    // create, put, patch, delete, check
	Model   string         `json:"model"` // _tx only
	ID      jsonx.RawValue `json:"id"`    // text or number
	Data    jsonx.RawValue `json:"data"`
	IfMatch string         `json:"if_match"` // entity tag, with its quotes, or *
	Expect  string         `json:"expect"`   // "exists" or "absent"
}

var verbs = []string{"create", "put", "patch", "delete", "check"}

// operation turns a request into an operation; at is its pointer.
func (q *request) operation(c *collection, at string) (*operation, error) {
	bad := func(member, message string) error {
		return fault(CodeOperation, at+"/"+member+" "+message, Item{Field: member, Pointer: at + "/" + member, Code: "operation", Message: message})
	}
	o := &operation{c: c, verb: q.Op, data: q.Data, at: at + "/data", ifMatch: q.IfMatch}
	switch q.Op {
	case "create", "put", "patch", "delete", "check":
	default:
		message := "must be create, put, patch, delete or check"
		if near := model.Nearest(q.Op, verbs); near != "" {
			message += fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, bad("op", message)
	}
	if len(q.ID) > 0 {
		if q.ID[0] != '"' {
			o.id = string(q.ID)
		} else if err := jsonx.Unmarshal(q.ID, &o.id); err != nil {
			return nil, toError(err, at+"/id")
		}
	}
	switch {
	case q.Op != "create" && o.id == "":
		return nil, bad("id", "is missing")
	case q.Op == "create" && o.id != "":
		return nil, bad("id", "goes into data when a record is created")
	case (q.Op == "delete" || q.Op == "check") == (len(q.Data) > 0):
		return nil, bad("data", "goes with create, put and patch, and with these only")
	case q.Op == "create" && (q.IfMatch != "" || q.Expect != ""):
		return nil, bad("if_match", "and expect have no meaning for create")
	}
	switch q.Expect {
	case "":
	case "exists", "absent":
		there := q.Expect == "exists"
		o.expect = &there
		if q.Op == "put" && !there {
			o.ifNone = "*"
		}
	default:
		return nil, bad("expect", `must be "exists" or "absent"`)
	}
	return o, nil
}

// elements splits a body into the elements of its array.
func (o *Options) elements(body []byte) (list []jsonx.RawValue, err error) {
	if trimmed(body)[0] != '[' {
		if _, err := jsonx.Parse(body); err != nil {
			return nil, toError(err, "")
		}
		return nil, fault(CodeWrongType, "want an array", Item{Code: "type", Message: "must be an array"})
	}
	if err := jsonx.Unmarshal(body, &list); err != nil {
		return nil, toError(err, "")
	}
	if len(list) > o.MaxOps {
		return nil, fault(CodeTooLarge, fmt.Sprintf("%d operations are over the limit of %d", len(list), o.MaxOps))
	}
	return list, nil
}

// hasOp says whether an element is an operation rather than a record.
func hasOp(raw []byte) bool {
	v, err := jsonx.Parse(raw)
	if err != nil || v.Kind() != jsonx.Object {
		return false
	}
	op, ok := v.Get("op")
	return ok && op.Kind() == jsonx.String
}

// bulk takes an array of records to create, or of operations. It is one of operations when
// the model has no field op and the first element has one.
func (c *collection) bulk(w *wire.Response, r *wire.Request) error {
	p, err := c.opt.admit(r, Action{Verb: "bulk", Model: c.t.Name()})
	if err != nil {
		return err
	}
	if err := onlyRead(r); err != nil {
		return err
	}
	body, err := c.opt.body(r, "")
	if err != nil {
		return err
	}
	list, err := c.opt.elements(body)
	if err != nil {
		return err
	}
	records := len(list) == 0 || c.t.Model().FieldByName("op") != nil || !hasOp(list[0])
	ops := make([]*operation, len(list))
	for i, raw := range list {
		at := "/" + strconv.Itoa(i)
		if records {
			ops[i] = &operation{c: c, verb: "create", data: raw, at: at}
			continue
		}
		if ops[i], err = c.opt.read(raw, at, func(name string) (*collection, error) {
			if name != "" && name != c.t.Name() {
				return nil, fault(CodeOperation, at+"/model is "+strconv.Quote(name)+", and this is "+c.t.Name(), Item{Field: "model", Pointer: at + "/model", Code: "operation", Message: "must be " + c.t.Name()})
			}
			return c, nil
		}); err != nil {
			return err
		}
	}
	return runAll(w, r, p, c, &c.opt, c.t.Name()+".bulk", ops, body)
}

// read reads one operation.
func (o *Options) read(raw []byte, at string, model func(name string) (*collection, error)) (*operation, error) {
	var q request
	if err := jsonx.Unmarshal(raw, &q, jsonx.RejectUnknownMembers()); err != nil {
		return nil, toError(err, at)
	}
	c, err := model(q.Model)
	if err != nil {
		return nil, err
	}
	return q.operation(c, at)
}

// runAll runs operations in one transaction and answers with their results in order:
// {"results":[{"status","id","etag","data"}...]}.
func runAll(w *wire.Response, r *wire.Request, p Principal, c *collection, opt *Options, name string, ops []*operation, body []byte) error {
	for i, o := range ops {
		if err := opt.allow(p, Action{Verb: o.action(), Model: o.c.t.Name(), Key: o.id}); err != nil {
			return atItem(err, "/"+strconv.Itoa(i))
		}
		o.who = p
	}
	cmd, err := command(r, p, name, body)
	if err != nil {
		return err
	}
	cmd.Run = func(tx *engine.Tx) (engine.Answer, error) {
		outs := make([]outcome, len(ops))
		for i, o := range ops {
			if outs[i], err = o.run(tx); err != nil {
				at := o.at
				if o.verb != "create" && o.verb != "put" && o.verb != "patch" {
					at = "/" + strconv.Itoa(i)
				}
				return engine.Answer{}, atItem(toError(err, at), "/"+strconv.Itoa(i))
			}
		}
		return results(outs)
	}
	return c.send(w, r, cmd)
}

func (o *operation) action() string {
	switch o.verb {
	case "put":
		return "replace"
	case "check":
		return "read"
	}
	return o.verb
}

// atItem makes sure that an error names the item.
func atItem(err error, at string) error {
	e := toError(err, at)
	p, _ := e.Extra.(*Problem)
	if p == nil {
		message := e.Detail
		if message == "" {
			message = e.Title
		}
		e.Extra = &Problem{Errors: []Item{{Pointer: at, Code: "operation", Message: message}}}
	}
	if !strings.HasPrefix(e.Detail, at) {
		e.Detail = strings.TrimSpace(at + ": " + e.Detail)
	}
	return e
}

func results(outs []outcome) (engine.Answer, error) {
	b := []byte(`{"results":[`)
	for i := range outs {
		out := &outs[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"status":`...), int64(out.status), 10)
		b = jsonx.AppendString(append(b, `,"id":`...), out.c.t.Codec().KeyText(out.key))
		if out.row != nil {
			made, err := out.c.render(out.row)
			if err != nil {
				return engine.Answer{}, err
			}
			b = jsonx.AppendString(append(b, `,"etag":`...), made.etag)
			b = append(append(b, `,"data":`...), made.body...)
		}
		b = append(b, '}')
	}
	return engine.Answer{Status: 200, Body: append(b, `]}`...)}, nil
}

// MountTx registers POST path, a transaction over several models: the body is an array of
// operations {op, model, id, data, if_match, expect}, carried out in order, all or nothing.
// readable returns the read rule of a model; nil: all may be read. Options.Readable has no meaning here.
func MountTx(r *wire.Router, e *engine.Engine, tables []*engine.Table, path string, opt Options, readable func(t *engine.Table) *ReadRule) error {
	if len(tables) == 0 {
		return fmt.Errorf("rest: %s has no models", path)
	}
	if err := opt.defaults(); err != nil {
		return err
	}
	all := map[string]*collection{}
	var names []string
	for _, t := range tables {
		own := opt
		if own.Readable = nil; readable != nil {
			own.Readable = readable(t)
		}
		all[t.Name()] = &collection{e: e, t: t, opt: own, shape: newShape(t.Model())}
		names = append(names, t.Name())
	}
	first := all[tables[0].Name()]
	return r.Post(path, first.wrap(func(w *wire.Response, r *wire.Request) error {
		return transaction(w, r, first, all, names)
	}))
}

func transaction(w *wire.Response, r *wire.Request, first *collection, all map[string]*collection, names []string) error {
	p, err := first.opt.admit(r, Action{Verb: "tx"})
	if err != nil {
		return err
	}
	if err := onlyRead(r); err != nil {
		return err
	}
	body, err := first.opt.body(r, "")
	if err != nil {
		return err
	}
	list, err := first.opt.elements(body)
	if err != nil {
		return err
	}
	ops := make([]*operation, len(list))
	for i, raw := range list {
		at := "/" + strconv.Itoa(i)
		if ops[i], err = first.opt.read(raw, at, func(name string) (*collection, error) {
			if c := all[name]; c != nil {
				return c, nil
			}
			message := "is not a model"
			if near := model.Nearest(name, names); near != "" {
				message += fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, fault(CodeOperation, fmt.Sprintf("%s/model %.60q %s", at, name, message), Item{Field: "model", Pointer: at + "/model", Code: "operation", Message: message})
		}); err != nil {
			return err
		}
	}
	return runAll(w, r, p, first, &first.opt, "_tx", ops, body)
}

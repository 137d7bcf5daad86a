package live

import (
	"strconv"

	"github.com/lithair/lithair-go/jsonx"
)

// Error is what is told to a client in an error frame.
type Error struct {
	Code   string // see SPEC.md §7
	Detail string // for people
	Err    error  // why; not told
}

// Error returns code and detail.
func (e *Error) Error() string { return "live: " + e.Code + ": " + e.Detail }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func fault(code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// object writes the members of a JSON object.
type object []byte

func (o object) name(n string) object {
	if len(o) == 0 {
		o = append(o, '{')
	} else if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	return append(append(append(o, '"'), n...), '"', ':')
}
func (o object) text(n, v string) object { return jsonx.AppendString(o.name(n), v) }
func (o object) raw(n, v string) object  { return append(o.name(n), v...) }
func (o object) number(n string, v uint64) object {
	return strconv.AppendUint(o.name(n), v, 10)
}

// frame ends the object as a frame; name and id are those of the event.
func (o object) frame(f Format, name, id string) *Frame {
	o = append(o, '}')
	if f == JSON {
		return &Frame{Data: o}
	}
	return &Frame{Data: appendEvent(nil, name, id, o)}
}

// begin begins a frame: over WebSocket with its operation, as an event without, since that has
// a name.
func begin(f Format, op, id string) (o object) {
	if f == JSON {
		if o = o.text("op", op); id != "" {
			o = o.raw("id", id)
		}
	}
	return o
}

// appendEvent appends a server-sent event (HTML §9.2) whose data is JSON on one line.
func appendEvent(dst []byte, name, id string, data []byte) []byte {
	dst = append(append(dst, "event: "...), name...)
	if id != "" {
		dst = append(append(dst, "\nid: "...), id...)
	}
	return append(append(append(dst, "\ndata: "...), data...), "\n\n"...)
}

// eventID is the id of an event: a client comes back with it, to a node that must know whose sequence it is.
func eventID(seq uint64, epoch string) string {
	id := strconv.FormatUint(seq, 10)
	if epoch != "" {
		id += "@" + epoch
	}
	return id
}

func resyncFrame(f Format, id, reason string) *Frame {
	return begin(f, "resync", id).text("reason", reason).frame(f, "resync", "")
}

func errorFrame(f Format, id string, e *Error) *Frame {
	return begin(f, "error", id).text("code", e.Code).text("detail", e.Detail).frame(f, "error", "")
}

// snapshotFrame makes the next part of a snapshot, and returns how many rows are in it.
func snapshotFrame(s *subscription, epoch string, limit int) (f *Frame, n int) {
	v, format := s.told, s.c.format
	o := begin(format, "snapshot", s.id).number("seq", s.seq)
	o = append(o.name("rows"), '[')
	rest := v.seen[s.chunk:]
	for _, e := range rest {
		if n > 0 {
			o = append(o, ',')
		}
		o = appendRow(append(o, '{'), s.g.q, e)
		o = append(o, '}')
		if n++; len(o) >= limit {
			break
		}
	}
	o = append(o, ']')
	if n < len(rest) {
		return o.raw("more", "true").frame(format, "snapshot", ""), n
	}
	o = o.number("total", uint64(v.total)).text("hash", v.hash.String())
	return o.frame(format, "snapshot", eventID(s.seq, epoch)), n
}

// appendRow appends the members that give a row.
func appendRow(o object, q *Query, e *entry) object {
	return append(o.text("key", q.model.KeyText(e.key)).name("row"), e.json...)
}

// encoder encodes one diff for any number of subscriptions: what they have in common once, and
// the whole once for each format and id that clients chose.
type encoder struct {
	q      *Query
	seq    uint64 // of the state that the diff leads to
	epoch  string
	common []byte
	frames []encoded
	made   int
}

type encoded struct {
	format Format
	id     string
	frame  *Frame
}

func (e *encoder) frame(f Format, id string, steps []change, v *view) *Frame {
	if f == Events {
		id = "" // events do not carry it
	}
	for i := range e.frames {
		if have := &e.frames[i]; have.format == f && have.id == id {
			have.frame.Shared = true
			return have.frame
		}
	}
	e.made++
	made := &Frame{}
	if f == JSON {
		if e.common == nil {
			e.common = e.diff(steps, v)
		}
		o := begin(f, "diff", id)
		made.Data = append(append(make([]byte, 0, len(o)+len(e.common)), o...), e.common...)
	} else {
		made.Data = e.events(steps, v)
	}
	e.frames = append(e.frames, encoded{f, id, made})
	return made
}

// diff returns what follows the id in a diff frame.
func (e *encoder) diff(steps []change, v *view) []byte {
	o := object(`{`)
	o = append(o.number("seq", e.seq).name("changes"), '[')
	for i := range steps {
		if i > 0 {
			o = append(o, ',')
		}
		o = append(o, '{')
		o = append(e.change(o.text("t", changeNames[steps[i].kind]), &steps[i]), '}')
	}
	o = append(o, ']')
	o = append(e.end(o, v), '}')
	o[0] = ','
	return o
}

func (e *encoder) end(o object, v *view) object {
	return o.number("total", uint64(v.total)).text("hash", v.hash.String())
}

// change appends the members of one step.
func (e *encoder) change(o object, c *change) object {
	key := c.old
	if key == nil {
		key = c.new
	}
	switch c.kind {
	case entered:
		o = appendRow(o, e.q, c.new).number("at", uint64(c.at))
	case updated:
		o = appendChanged(o.text("key", e.q.model.KeyText(key.key)), c.old.json, c.new.json)
	case left:
		o = o.text("key", e.q.model.KeyText(key.key))
	case moved:
		o = o.text("key", e.q.model.KeyText(key.key)).number("at", uint64(c.at))
	}
	return o
}

// events returns a diff as events. The last one alone carries the id, so that a client that
// lost its connection among them resumes before the first.
func (e *encoder) events(steps []change, v *view) (dst []byte) {
	id := eventID(e.seq, e.epoch)
	for i := range steps {
		o := e.change(object(`{`).number("seq", e.seq), &steps[i])
		if i < len(steps)-1 {
			dst = appendEvent(dst, changeNames[steps[i].kind], "", append(o, '}'))
			continue
		}
		return appendEvent(dst, changeNames[steps[i].kind], id, append(e.end(o, v), '}'))
	}
	return appendEvent(dst, "current", id, append(e.end(object(`{`).number("seq", e.seq), v), '}'))
}

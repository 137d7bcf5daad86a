package client

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
)

// Frame is a frame of the server, see SPEC.md of package live; members that an operation lacks
// are zero.
type Frame struct {
	Op      string         `json:"op"`
	ID      jsonx.RawValue `json:"id"`
	Ref     jsonx.RawValue `json:"ref"`
	Seq     uint64         `json:"seq"`
	Node    string         `json:"node"`
	Epoch   string         `json:"epoch"`
	Rows    []Row          `json:"rows"`
	More    bool           `json:"more"`
	Total   int            `json:"total"`
	Hash    string         `json:"hash"`
	Changes []Change       `json:"changes"`
	Reason  string         `json:"reason"`
	Code    string         `json:"code"`
	Detail  string         `json:"detail"`
	After   int64          `json:"after_ms"`

	// of events
	N     int            `json:"n"`
	Model string         `json:"model"`
	Type  string         `json:"type"`
	Key   string         `json:"key"`
	Actor string         `json:"actor"`
	Time  string         `json:"time"`
	Data  jsonx.RawValue `json:"data"`

	Jobs []Job `json:"jobs"` // of a queue
}

// Row is a row of a list.
type Row struct {
	Key  string         `json:"key"`
	JSON jsonx.RawValue `json:"row"`
}

// Change is one step of a diff.
type Change struct {
	Kind  string         `json:"t"` // enter, update, leave or move
	Key   string         `json:"key"`
	Row   jsonx.RawValue `json:"row"`
	Set   jsonx.RawValue `json:"set"`
	Unset []string       `json:"unset"`
	At    int            `json:"at"`
}

// List is the answer of a live query as a client keeps it. It does no I/O and is not safe for
// concurrent use. The zero value is empty.
type List struct {
	rows  []Row
	parts []Row // of a snapshot that is not whole
	seq   uint64
	total int
	hash  live.Hash
	whole bool
}

// ErrDiffers says that the list is not what the server has: it is to be asked for anew, without
// a position.
var ErrDiffers = errors.New("live: the list is not what the server has")

// Position returns the sequence and the hash to come back with; ok is false when there is none.
func (l *List) Position() (seq uint64, hash string, ok bool) {
	return l.seq, l.hash.String(), l.whole
}

// Lost says that the connection was lost: what has come of a snapshot counts no more.
func (l *List) Lost() { l.parts = nil }

// Rows returns the rows in order. They belong to the list, and change with it.
func (l *List) Rows() []Row { return l.rows }

// Total returns how many records meet the conditions, on all pages.
func (l *List) Total() int { return l.total }

// Take takes a frame. changed says that the list is another answer now. [ErrDiffers] when it is
// not the server's.
func (l *List) Take(f *Frame) (changed bool, err error) {
	switch f.Op {
	case "snapshot":
		l.parts = append(l.parts, f.Rows...)
		if f.More {
			return false, nil
		}
		l.rows, l.parts, l.whole = l.parts, nil, true
		l.hash = live.Hash{}
		for i := range l.rows {
			h, err := hashRow(&l.rows[i])
			if err != nil {
				return false, err
			}
			l.hash = l.hash.Plus(h)
		}
	case "diff":
		if !l.whole {
			return false, fmt.Errorf("%w: a diff without a snapshot", ErrDiffers)
		}
		for i := range f.Changes {
			if err := l.step(&f.Changes[i]); err != nil {
				l.whole = false
				return false, err
			}
		}
	case "resync":
		l.parts, l.whole = nil, false
		return false, nil
	default:
		return false, nil
	}
	if f.Op == "diff" && f.Seq < l.seq {
		err = fmt.Errorf("%w: sequence %d behind %d", ErrDiffers, f.Seq, l.seq)
	}
	if f.Hash != l.hash.String() {
		err = fmt.Errorf("%w at sequence %d: hash %s, want %s", ErrDiffers, f.Seq, l.hash, f.Hash)
	}
	if err != nil {
		l.whole = false
		return false, err
	}
	l.seq, l.total = f.Seq, f.Total
	return f.Op == "snapshot" || len(f.Changes) > 0, nil
}

func hashRow(r *Row) (live.Hash, error) {
	canonical, err := jsonx.Canonicalize(nil, r.JSON)
	return live.HashRow(r.Key, canonical), err
}

// step takes one step of a diff.
func (l *List) step(c *Change) error {
	at := slices.IndexFunc(l.rows, func(r Row) bool { return r.Key == c.Key })
	if (at < 0) != (c.Kind == "enter") {
		return fmt.Errorf("%w: %s of row %q", ErrDiffers, c.Kind, c.Key)
	}
	switch c.Kind {
	case "enter":
		return l.insert(c.At, Row{c.Key, c.Row}, true)
	case "leave":
		h, err := hashRow(&l.rows[at])
		l.hash, l.rows = l.hash.Minus(h), slices.Delete(l.rows, at, at+1)
		return err
	case "move":
		row := l.rows[at]
		l.rows = slices.Delete(l.rows, at, at+1)
		return l.insert(c.At, row, false)
	case "update":
		return l.update(&l.rows[at], c)
	}
	return fmt.Errorf("live: a change of kind %q is not known", c.Kind)
}

func (l *List) insert(at int, r Row, counts bool) error {
	if at < 0 || at > len(l.rows) {
		return fmt.Errorf("%w: place %d of %d", ErrDiffers, at, len(l.rows))
	}
	l.rows = slices.Insert(l.rows, at, r)
	if !counts {
		return nil
	}
	h, err := hashRow(&r)
	l.hash = l.hash.Plus(h)
	return err
}

// update replaces members of a row.
func (l *List) update(r *Row, c *Change) error {
	before, err := hashRow(r)
	if err != nil {
		return err
	}
	v, err := jsonx.Parse(r.JSON)
	if err != nil {
		return err
	}
	set, err := jsonx.Parse(c.Set)
	if err != nil {
		return err
	}
	for name, member := range set.Members() {
		v.Set(name, *member)
	}
	for _, name := range c.Unset {
		v.Delete(name)
	}
	if r.JSON, err = v.AppendJSON(nil); err != nil {
		return err
	}
	after, err := hashRow(r)
	l.hash = l.hash.Minus(before).Plus(after)
	return err
}

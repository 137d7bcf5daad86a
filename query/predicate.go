package query

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
)

// op is a comparison.
type op uint8

const (
	equal op = iota
	unequal
	less
	atMost
	greater
	atLeast
	contains
	in    // one of several values
	anyOf // one of several conditions holds
	never // no record meets it
)

var opText = [...]string{"=", "!=", "<", "<=", ">", ">=", "~", "in", "any", "never"}

// predicate is one condition on one field.
type predicate struct {
	field *model.SchemaField
	op    op
	key   []byte      // key encoding of the operand
	text  string      // of contains, in lower case
	null  bool        // the operand, or one of them, is "no value"
	keys  []string    // of in, sorted
	any   []predicate // of anyOf
}

// Match says whether a record, in canonical bytes, meets every condition. Bytes that are
// no record do not match.
func (q *Query) Match(rec []byte) bool {
	var space [64]byte
	return matchAll(q.where, rec, space[:0])
}

func matchAll(where []predicate, rec, buf []byte) bool {
	for i := range where {
		if !where[i].match(rec, buf) {
			return false
		}
	}
	return true
}

func (p *predicate) match(rec, buf []byte) bool {
	switch p.op {
	case anyOf:
		return matchAny(p.any, rec, buf)
	case never:
		return false
	}
	raw, _, present := binenc.Lookup(rec, p.field.Number)
	if p.op == contains {
		return (present || !p.field.Type.Optional) && containsFold(raw, p.text)
	}
	if !present && p.field.Type.Optional && !p.null {
		return p.op == unequal
	}
	key, err := binenc.AppendKeyRaw(buf[:0], &p.field.Type, raw, present)
	if err != nil {
		return false
	}
	if p.op == in {
		return holds(p.keys, key)
	}
	c := bytes.Compare(key, p.key)
	switch p.op {
	case equal:
		return c == 0
	case unequal:
		return c != 0
	case less:
		return c < 0
	case atMost:
		return c <= 0
	case greater:
		return c > 0
	}
	return c >= 0
}

func matchAny(alternatives []predicate, rec, buf []byte) bool {
	for i := range alternatives {
		if alternatives[i].match(rec, buf) {
			return true
		}
	}
	return false
}

// holds says whether a sorted list has the key. It is written out because a key that goes
// to a function value would be moved to the heap.
func holds(sorted []string, key []byte) bool {
	lo, hi := 0, len(sorted)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch s := sorted[mid]; {
		case s == string(key):
			return true
		case s < string(key):
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return false
}

// containsFold says whether text, lowered, contains low.
func containsFold(text []byte, low string) bool {
	if low == "" {
		return true
	}
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return strings.Contains(strings.ToLower(string(text)), low)
		}
	}
	for i := 0; i+len(low) <= len(text); i++ {
		if lower(text[i]) == low[0] && hasFold(text[i:], low) {
			return true
		}
	}
	return false
}

func hasFold(text []byte, low string) bool {
	for i := range len(low) {
		if lower(text[i]) != low[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// holds is match for a field whose key encoding is known; false for conditions that need
// more than that.
func (p *predicate) holds(key []byte) bool {
	switch p.op {
	case contains, anyOf, never:
		return false
	case in:
		return holds(p.keys, key)
	}
	c := model.Condition{Op: conditionOp[p.op], Key: p.key}
	return c.Holds(key)
}

// conditionOp are the comparisons as indexes have them.
var conditionOp = [...]model.Op{equal: model.Equal, unequal: model.Unequal, less: model.Less, atMost: model.AtMost, greater: model.Greater, atLeast: model.AtLeast}

// excludesNull says that no record without a value of the field meets the condition.
func (p *predicate) excludesNull() bool {
	switch p.op {
	case unequal:
		return p.null
	case contains, never:
		return true
	case anyOf:
		return false
	}
	return !p.null
}

// implies says that every record that meets p meets c, too.
func (p *predicate) implies(c *model.Condition) bool {
	if p.field.Number != c.Field {
		return false
	}
	switch p.op {
	case equal:
		return c.Holds(p.key)
	case in:
		for _, k := range p.keys {
			if !c.Holds([]byte(k)) {
				return false
			}
		}
		return true
	case unequal:
		return c.Op == model.Unequal && bytes.Equal(p.key, c.Key)
	case contains, anyOf, never:
		return false
	}
	if c.Op == model.Unequal && c.IsNull() {
		return true
	}
	d := bytes.Compare(p.key, c.Key)
	switch c.Op {
	case model.Greater, model.AtLeast:
		return (p.op == greater || p.op == atLeast) && (d > 0 || d == 0 && (c.Op == model.AtLeast || p.op == greater))
	case model.Less, model.AtMost:
		return (p.op == less || p.op == atMost) && (d < 0 || d == 0 && (c.Op == model.AtMost || p.op == less))
	}
	return false
}

// follows says that every record that meets c meets p, too.
func (p *predicate) follows(c *model.Condition) bool {
	if p.field.Number != c.Field || p.op == contains || p.op == anyOf || p.op == never {
		return false
	}
	if c.Op == model.Equal {
		return p.holds(c.Key)
	}
	return p.op != in && conditionOp[p.op] == c.Op && bytes.Equal(p.key, c.Key)
}

package model

import (
	"errors"
	"strconv"
	"strings"

	"github.com/lithair/lithair-go/binenc"
)

// Violation returns the rule of the stored form that a value breaks when err, of
// [Codec.Append], says so: text that is not UTF-8, a time outside of the years 0 to 9999,
// a value whose own MarshalText refuses it. ok is false for all other errors. It looks
// at a record only once it could not be written, so that good records pay nothing.
func (c *Codec) Violation(err error) (v Violation, ok bool) {
	e, ok := errors.AsType[*binenc.Error](err)
	if !ok || e.Path == "" {
		return v, false
	}
	top := c.topOf(e.Path)
	v = Violation{Field: top, Pointer: "/" + escapePointer(top) + pointerOf(e.Path[len(top):]), Code: "format", Message: "cannot be stored: " + e.Reason}
	switch {
	case errors.Is(err, binenc.ErrUTF8):
		v.Code, v.Message = "utf8", "must be valid UTF-8"
	case errors.Is(err, binenc.ErrRange):
		v.Code, v.Message = "range", "must be a time of the years 0 to 9999, in UTC"
	case errors.Is(err, binenc.ErrLimit):
		return v, false
	}
	return v, true
}

// topOf returns the field of the model that path begins with. Names may hold dots, so
// the longest that fits is meant.
func (c *Codec) topOf(path string) (top string) {
	for _, f := range c.model.Fields {
		rest, ok := strings.CutPrefix(path, f.Name)
		if ok && len(f.Name) > len(top) && (rest == "" || strings.IndexByte(".[{", rest[0]) >= 0) {
			top = f.Name
		}
	}
	return top
}

// pointerOf turns what stands behind the field, as in .City or [2].City, into a JSON
// Pointer. It ends at a map, whose entries the path knows by number only.
func pointerOf(rest string) (pointer string) {
	for rest != "" && rest[0] != '{' {
		if rest[0] == '[' {
			n, after, ok := strings.Cut(rest[1:], "]")
			if _, err := strconv.Atoi(n); err != nil || !ok {
				return pointer
			}
			pointer, rest = pointer+"/"+n, after
			continue
		}
		name := rest[1:]
		if i := strings.IndexAny(name, ".[{"); i >= 0 {
			name = name[:i]
		}
		pointer, rest = pointer+"/"+escapePointer(name), rest[1+len(name):]
	}
	return pointer
}

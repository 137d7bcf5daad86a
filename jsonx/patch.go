package jsonx

import (
	"errors"
	"fmt"
)

// ErrPatch is wrapped when a text is JSON but no JSON Patch.
var ErrPatch = errors.New("jsonx: not a JSON Patch")

// ErrTest is wrapped when a test operation finds another value.
var ErrTest = errors.New("jsonx: patch test failed")

// ErrTooCostly is wrapped when a patch shifts more than MaxPatchShifts elements.
var ErrTooCostly = errors.New("jsonx: patch too costly")

// DefaultMaxPatchBytes bounds what the copy operations of one patch may add, in bytes of text, unless MaxBytes says
// otherwise: without it, forty operations could double a value forty times.
const DefaultMaxPatchBytes = 8 << 20

// MaxPatchShifts is how many elements one patch may move up or down in arrays to make or close room, all its
// operations together; ErrTooCostly beyond. It is about a second of work.
const MaxPatchShifts = 1 << 28

// Operation is one step of a Patch (RFC 6902 §4).
type Operation struct {
	Op    string // add, remove, replace, move, copy or test
	Path  string // a JSON Pointer
	From  string // move and copy: a JSON Pointer
	Value Value  // add, replace and test
}

// Patch is a JSON Patch (RFC 6902): operations applied one after the other.
type Patch []Operation

// PatchError says which operation, counted from 0, could not be read or applied, and why: Err wraps ErrPatch,
// ErrPointer, ErrTest, ErrTooCostly, ErrTooLarge or ErrTooDeep.
type PatchError struct {
	Index    int
	Op, Path string
	Err      error
}

// Error gives the operation and why it cannot be applied.
func (e *PatchError) Error() string {
	return fmt.Sprintf("jsonx: patch operation %d (%s %q): %v", e.Index, inShort(e.Op), inShort(e.Path), e.Err)
}

// Unwrap returns Err.
func (e *PatchError) Unwrap() error { return e.Err }

// ParsePatch reads a JSON Patch: an array of objects, whose unknown members are ignored (RFC 6902 §4). The error is that
// of Parse, or a *PatchError.
func ParsePatch(text []byte, opts ...Option) (Patch, error) {
	v, err := Parse(text, opts...)
	if err != nil {
		return nil, err
	}
	if v.Kind() != Array {
		return nil, fmt.Errorf("%w: want an array, not a %v", ErrPatch, v.Kind())
	}
	patch := make(Patch, 0, v.Len())
	for i, x := range v.Elements() {
		o, err := parseOperation(*x)
		if err != nil {
			return nil, &PatchError{i, o.Op, o.Path, err}
		}
		patch = append(patch, o)
	}
	return patch, nil
}

func parseOperation(v Value) (o Operation, err error) {
	if o.Op, err = textMember(v, "op"); err != nil {
		return o, err
	}
	if o.Path, err = pointerMember(v, "path"); err != nil {
		return o, err
	}
	switch o.Op {
	case "add", "replace", "test":
		x, ok := v.Get("value")
		if !ok {
			return o, fmt.Errorf("%w: no value", ErrPatch)
		}
		o.Value = *x
	case "move", "copy":
		o.From, err = pointerMember(v, "from")
	case "remove":
	default:
		err = fmt.Errorf("%w: unknown operation", ErrPatch)
	}
	return o, err
}

func textMember(v Value, name string) (string, error) {
	x, ok := v.Get(name)
	if !ok || x.Kind() != String {
		return "", fmt.Errorf("%w: no text %q", ErrPatch, name)
	}
	return x.Text(), nil
}

func pointerMember(v Value, name string) (string, error) {
	s, err := textMember(v, name)
	if err == nil {
		err = checkPointer(s)
	}
	return s, err
}

// AppendJSON appends the patch as a JSON text.
func (p Patch) AppendJSON(dst []byte) (_ []byte, err error) {
	start := len(dst)
	dst = append(dst, '[')
	for i, o := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(append(dst, `{"op":`...), o.Op), `,"path":`...)
		dst = AppendString(dst, o.Path)
		switch o.Op {
		case "move", "copy":
			dst = AppendString(append(dst, `,"from":`...), o.From)
		case "add", "replace", "test":
			if dst, err = o.Value.AppendJSON(append(dst, `,"value":`...)); err != nil {
				return dst[:start], err
			}
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

// MarshalJSON returns what AppendJSON appends; it is for encoding/json.
func (p Patch) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil) }

// UnmarshalJSON reads a JSON Patch.
func (p *Patch) UnmarshalJSON(text []byte) (err error) {
	*p, err = ParsePatch(text)
	return err
}

// Apply appends target changed by a JSON Patch. The options are those of Parse, for both texts; MaxBytes bounds the copy
// operations too. On an error, in either text or of an operation, dst comes back as it was.
func Apply(dst, target, patch []byte, opts ...Option) ([]byte, error) {
	p, err := ParsePatch(patch, opts...)
	if err != nil {
		return dst, err
	}
	v, err := Parse(target, opts...)
	if err != nil {
		return dst, err
	}
	// v is this function's own, so a failing operation may leave it half changed.
	if err := p.apply(&v, opts); err != nil {
		return dst, err
	}
	return v.AppendJSON(dst)
}

// Apply changes v, all of it or, on an error, which is a *PatchError, nothing (RFC 6902 §5). It works on a copy and
// keeps no part of p.
func (p Patch) Apply(v *Value, opts ...Option) error {
	changed := v.Clone()
	if err := p.apply(&changed, opts); err != nil {
		return err
	}
	*v = changed
	return nil
}

func (p Patch) apply(v *Value, opts []Option) error {
	o := apply(append([]Option{MaxBytes(DefaultMaxPatchBytes)}, opts...))
	a := applier{root: v, bytes: orNone(o.maxBytes), shifts: MaxPatchShifts}
	for i, o := range p {
		if err := a.do(o); err != nil {
			return &PatchError{i, o.Op, o.Path, err}
		}
	}
	if v.deeper(maxValueDepth) {
		return &PatchError{len(p) - 1, p[len(p)-1].Op, p[len(p)-1].Path, ErrTooDeep}
	}
	return nil
}

// applier is a patch at work, with what it may still spend.
type applier struct {
	root   *Value
	bytes  int
	shifts int
}

func (a *applier) do(o Operation) error {
	switch o.Op {
	case "add":
		return a.add(o.Path, o.Value.Clone())
	case "remove":
		_, err := a.remove(o.Path)
		return err
	case "replace":
		at, err := a.root.Pointer(o.Path)
		if err == nil {
			*at = o.Value.Clone()
		}
		return err
	case "move":
		return a.move(o.From, o.Path)
	case "copy":
		return a.copy(o.From, o.Path)
	case "test":
		at, err := a.root.Pointer(o.Path)
		if err == nil && !at.Equal(o.Value) {
			err = ErrTest
		}
		return err
	}
	return fmt.Errorf("%w: unknown operation", ErrPatch)
}

// add puts x at path: as a member, new or in place of the old one, or before an element (RFC 6902 §4.1).
func (a *applier) add(path string, x Value) error {
	if err := checkPointer(path); err != nil {
		return err
	}
	if path == "" {
		*a.root = x
		return nil
	}
	around, last := splitPointer(path)
	v, err := a.root.Pointer(around)
	if err != nil {
		return err
	}
	switch v.Kind() {
	case Object:
		v.Set(last, x)
		return nil
	case Array:
		i, ok := arrayIndex(last)
		if last == "-" {
			i, ok = v.Len(), true
		}
		if err := a.shift(v.Len() - i); err != nil {
			return err
		}
		if ok && v.Insert(i, x) {
			return nil
		}
		return fmt.Errorf("%w %q: no place %q in an array of %d", ErrPointer, inShort(path), inShort(last), v.Len())
	}
	return fmt.Errorf("%w %q: no member or element of a %v", ErrPointer, inShort(path), v.Kind())
}

// remove takes out the value at path and returns it.
func (a *applier) remove(path string) (Value, error) {
	at, err := a.root.Pointer(path)
	if err != nil {
		return Value{}, err
	}
	if path == "" {
		return Value{}, fmt.Errorf("%w %q: the whole text cannot be removed", ErrPointer, inShort(path))
	}
	x := *at
	around, last := splitPointer(path)
	v, err := a.root.Pointer(around)
	if err != nil {
		return Value{}, err
	}
	if v.Kind() == Object {
		v.Delete(last)
		return x, nil
	}
	i, _ := arrayIndex(last)
	if err := a.shift(v.Len() - i); err != nil {
		return Value{}, err
	}
	v.Remove(i)
	return x, nil
}

func (a *applier) shift(n int) error {
	if a.shifts -= max(n, 0); a.shifts < 0 {
		return ErrTooCostly
	}
	return nil
}

func (a *applier) move(from, path string) error {
	if from == path {
		_, err := a.root.Pointer(path)
		return err
	}
	if len(path) > len(from) && path[:len(from)] == from && path[len(from)] == '/' {
		return fmt.Errorf("%w %q: a value cannot move into itself", ErrPointer, inShort(path))
	}
	x, err := a.remove(from)
	if err != nil {
		return err
	}
	return a.add(path, x)
}

func (a *applier) copy(from, path string) error {
	x, err := a.root.Pointer(from)
	if err != nil {
		return err
	}
	if x.deeper(maxValueDepth) {
		return ErrTooDeep
	}
	if a.bytes -= x.size(a.bytes); a.bytes < 0 {
		return ErrTooLarge
	}
	return a.add(path, x.Clone())
}

// deeper reports whether v nests more than depth levels.
func (v Value) deeper(depth int) bool {
	if v.node == nil {
		return false
	}
	if depth == 0 {
		return true
	}
	for _, x := range v.Elements() {
		if x.deeper(depth - 1) {
			return true
		}
	}
	for _, x := range v.Members() {
		if x.deeper(depth - 1) {
			return true
		}
	}
	return false
}

// size returns about how many bytes of text v takes, or some number over limit.
func (v Value) size(limit int) int {
	n := len(v.text) + 2
	for _, x := range v.Elements() {
		if n += x.size(limit - n); n > limit {
			return n
		}
	}
	for name, x := range v.Members() {
		if n += len(name) + 3 + x.size(limit-n); n > limit {
			return n
		}
	}
	return n
}

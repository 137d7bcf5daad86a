package jsonx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrPointer is wrapped when a pointer is malformed or names no value.
var ErrPointer = errors.New("jsonx: pointer")

var pointerUnescaper = strings.NewReplacer("~1", "/", "~0", "~")

// AppendPointer appends "/" and a reference token for name, escaped (RFC 6901 §3), to a pointer.
func AppendPointer(pointer, name string) string { return pointer + "/" + pointerEscaper.Replace(name) }

// checkPointer says whether pointer has the form of RFC 6901 §3:
//
//	json-pointer = *( "/" *( unescaped / "~0" / "~1" ) )
func checkPointer(pointer string) error {
	if pointer != "" && pointer[0] != '/' {
		return fmt.Errorf("%w %q: no leading '/'", ErrPointer, inShort(pointer))
	}
	for i := range len(pointer) {
		if pointer[i] == '~' && (i+1 == len(pointer) || pointer[i+1] != '0' && pointer[i+1] != '1') {
			return fmt.Errorf("%w %q: '~' without 0 or 1", ErrPointer, inShort(pointer))
		}
	}
	return nil
}

// Pointer returns the part of v that the JSON Pointer names (RFC 6901); "" is v itself. The result is a part of v, valid
// until what is around it changes; the error wraps ErrPointer.
func (v *Value) Pointer(pointer string) (*Value, error) {
	if err := checkPointer(pointer); err != nil || pointer == "" {
		return v, err
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		next := v.step(token)
		if next == nil {
			return nil, fmt.Errorf("%w %q: nothing at %q", ErrPointer, inShort(pointer), inShort(token))
		}
		v = next
	}
	return v, nil
}

func (v *Value) step(token string) *Value {
	if v.Kind() != Array {
		x, _ := v.Get(pointerUnescaper.Replace(token))
		return x
	}
	i, ok := arrayIndex(token)
	if !ok {
		return nil
	}
	return v.At(i)
}

// arrayIndex reads digits without leading zeros (RFC 6901 §4).
func arrayIndex(token string) (i int, ok bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && i >= 0 && strconv.Itoa(i) == token
}

// splitPointer returns the pointer of what is around and the last token, unescaped; pointer is not "".
func splitPointer(pointer string) (around, last string) {
	i := strings.LastIndexByte(pointer, '/')
	return pointer[:i], pointerUnescaper.Replace(pointer[i+1:])
}

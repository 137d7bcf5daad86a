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

// Pointer returns the part of v that the JSON Pointer names (RFC 6901); "" is v itself. The result shares v's memory.
func (v *Value) Pointer(pointer string) (*Value, error) {
	if pointer == "" {
		return v, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("%w %q: no leading '/'", ErrPointer, pointer)
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if bare := strings.NewReplacer("~0", "", "~1", "").Replace(token); strings.Contains(bare, "~") {
			return nil, fmt.Errorf("%w %q: '~' without 0 or 1", ErrPointer, pointer)
		}
		next, ok := v.step(token)
		if !ok {
			return nil, fmt.Errorf("%w %q: nothing at %q", ErrPointer, pointer, token)
		}
		v = next
	}
	return v, nil
}

func (v *Value) step(token string) (*Value, bool) {
	if v.Kind != Array {
		return v.Get(pointerUnescaper.Replace(token))
	}
	i, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(i) != token || i < 0 || i >= len(v.Elements) {
		return nil, false
	}
	return &v.Elements[i], true
}

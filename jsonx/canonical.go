package jsonx

import (
	"fmt"
	"slices"
	"strconv"
)

// Canonicalize appends src in the canonical form of RFC 8785: no white space, members sorted by the UTF-16 code units
// of their names (§3.2.3), strings with the fewest escapes (§3.2.2.2), numbers as ECMAScript prints the float64 they
// are read as (§3.2.2.3). As I-JSON (RFC 7493) has it, repeated names and lone surrogates are errors; so are numbers
// beyond float64, by strconv.ErrRange. On an error dst comes back as it was.
func Canonicalize(dst, src []byte) ([]byte, error) {
	v, err := Parse(src)
	if err != nil {
		return dst, err
	}
	out, err := v.canonical(slices.Grow(dst, len(src)))
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (v Value) canonical(dst []byte) (_ []byte, err error) {
	switch v.Kind() {
	case Num:
		return canonicalNumber(dst, v.text)
	case String:
		return AppendString(dst, v.Text()), nil
	case Array:
		dst = append(dst, '[')
		for i, x := range v.Elements() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = x.canonical(dst); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case Object:
		members := slices.Clone(v.node.object.members)
		slices.SortFunc(members, func(a, b Member) int { return compareUTF16(a.Name, b.Name) })
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = m.Value.canonical(append(AppendString(dst, m.Name), ':')); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return append(dst, v.text...), nil
}

func canonicalNumber(dst []byte, text string) ([]byte, error) {
	f, err := parseLongFloat(text, 64)
	if err != nil {
		return dst, fmt.Errorf("jsonx: canonical form of %.40s: %w", text, strconv.ErrRange)
	}
	if f == 0 {
		return append(dst, '0'), nil // -0 too, as ECMAScript does
	}
	return appendFloat(dst, f, 64)
}

// compareUTF16 orders UTF-8 strings by their UTF-16 code units. Bytes order as characters do, and so do code units but
// for one thing: characters beyond U+FFFF (first byte F0 to F4) are pairs of surrogates, which come before U+E000 to
// U+FFFF (first byte EE or EF).
func compareUTF16(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			return int(y) - int(x)
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}

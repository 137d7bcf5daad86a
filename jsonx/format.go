package jsonx

import "slices"

// Compact appends src without white space; on an error dst comes back as it was.
func Compact(dst, src []byte) ([]byte, error) { return compact(dst, src, DefaultMaxDepth) }

func compact(dst, src []byte, depth int) ([]byte, error) {
	return reformat(dst, src, depth, "", "", false)
}

// Indent appends src with each member and element on its own line, begun by prefix and one indent per level.
func Indent(dst, src []byte, prefix, indent string) ([]byte, error) {
	return reformat(dst, src, DefaultMaxDepth, prefix, indent, true)
}

func reformat(dst, src []byte, maxDepth int, prefix, indent string, lines bool) ([]byte, error) {
	end, bad := skipValue(src, 0, maxDepth, nil)
	if bad == "" {
		if end = skipSpace(src, end); end < len(src) {
			bad = wantEnd
		}
	}
	if bad != "" {
		return dst, syntaxError(src, end, bad, nil)
	}
	dst = slices.Grow(dst, len(src))
	depth := 0
	line := func() {
		if lines {
			dst = append(append(dst, '\n'), prefix...)
			for range depth {
				dst = append(dst, indent...)
			}
		}
	}
	open := false // an array or object has just begun
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			continue
		}
		closing := c == '}' || c == ']'
		if open && !closing {
			line()
		}
		switch {
		case closing:
			if depth--; !open {
				line()
			}
		case c == '{' || c == '[':
			depth++
		case c == '"':
			end, _, _ := scanString(src, i+1)
			dst = append(dst, src[i:end-1]...)
			i = end - 1
		}
		dst = append(dst, c)
		open = c == '{' || c == '['
		if c == ',' {
			line()
		} else if c == ':' && lines {
			dst = append(dst, ' ')
		}
	}
	return dst, nil
}

package jsonx

import "bytes"

// Standardize turns JSON with comments (// and /* */) and trailing commas into JSON of
// the same length, so that positions in errors stay right.
func Standardize(src []byte) ([]byte, error) {
	out := append([]byte(nil), src...)
	comma := -1 // of a comma that nothing but space and comments follows
	for i := 0; i < len(out); {
		switch c := out[i]; {
		case c == '"':
			comma = -1
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
			i++
		case c == '/' && i+1 < len(out) && out[i+1] == '/':
			for i < len(out) && out[i] != '\n' {
				out[i] = ' '
				i++
			}
		case c == '/' && i+1 < len(out) && out[i+1] == '*':
			start := i
			for i += 2; i+1 < len(out) && (out[i] != '*' || out[i+1] != '/'); i++ {
			}
			if i+1 >= len(out) {
				return nil, unclosedComment(src, start)
			}
			i += 2
			for j := start; j < i; j++ {
				if out[j] != '\n' {
					out[j] = ' '
				}
			}
		case c == ',':
			comma = i
			i++
		case (c == '}' || c == ']') && comma >= 0:
			out[comma] = ' '
			comma = -1
			i++
		case c <= ' ':
			i++
		default:
			comma = -1
			i++
		}
	}
	return out, nil
}

func unclosedComment(src []byte, at int) error {
	line := 1 + bytes.Count(src[:at], []byte("\n"))
	return &SyntaxError{Offset: int64(at), Line: line, Column: at - bytes.LastIndexByte(src[:at], '\n'), Expected: "the end of the comment"}
}

package jsonx

import "bytes"

// Standardize turns JSON as people write it in configuration files into JSON: comments ("//" to the end of the line,
// "/*" to "*/") and a comma after the last member or element become spaces. It is a step of its own, in front of Parse
// or Unmarshal, so nothing reads such texts unasked. The result is a new slice of the same length with the same line
// feeds, so offsets and lines in later errors are those of src; columns too, where comments before them on the line are
// ASCII. All other faults are left for the reader to find; a comment without end is a *SyntaxError with
// io.ErrUnexpectedEOF.
func Standardize(src []byte) ([]byte, error) {
	out := bytes.Clone(src)
	comma := -1       // a comma that may turn out to be the last
	last := byte(',') // what stood before, white space and comments aside
	for i := 0; i < len(out); {
		c := out[i]
		switch {
		case isSpace(c):
			i++
			continue
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			end, ok := commentEnd(out, i)
			blank(out[i:end])
			if !ok {
				return nil, syntaxError(out, len(out), "end of the comment", nil)
			}
			i = end
			continue
		case c == '"':
			i, _, _ = scanString(out, i+1)
		case c == ',' && bytes.IndexByte([]byte(",:[{"), last) < 0:
			comma, last = i, c
			i++
			continue
		default:
			if (c == '}' || c == ']') && comma >= 0 {
				out[comma] = ' '
			}
			i++
		}
		comma, last = -1, c
	}
	return out, nil
}

// commentEnd returns the offset after the comment at b[i]; the line feed is no part of it.
func commentEnd(b []byte, i int) (end int, ok bool) {
	stop, size := "*/", 2
	if b[i+1] == '/' {
		stop, size = "\n", 0
	}
	n := bytes.Index(b[i+2:], []byte(stop))
	if n < 0 {
		return len(b), size == 0
	}
	return i + 2 + n + size, true
}

func blank(b []byte) {
	for i := range b {
		if b[i] != '\n' {
			b[i] = ' '
		}
	}
}

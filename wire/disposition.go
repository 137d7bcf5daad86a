package wire

import "strings"

// Attachment says that the response is to be saved as a file of that name (RFC 6266), by
// the field Content-Disposition. Only the last element of name is used. A name outside
// ASCII goes out in both ways: with underscores for old clients, and in UTF-8 (RFC 8187)
// for all others. Control bytes are left out.
func (w *Response) Attachment(name string) error {
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7F || r == '\uFFFD' {
			return -1
		}
		return r
	}, baseName(name))
	if name == "" {
		return w.SetHeader("Content-Disposition", "attachment")
	}
	return w.SetHeader("Content-Disposition", string(appendDisposition(nil, name)))
}

// appendDisposition renders
//
//	attachment; filename="plain"; filename*=UTF-8''encoded
//
// The second only where the first cannot say it. A percent sign counts as such a byte:
// some clients decode it in the first.
func appendDisposition(b []byte, name string) []byte {
	b = append(b, `attachment; filename="`...)
	exact := true
	for _, r := range name {
		switch {
		case r >= 0x7F || r == '%' || r == '"' || r == '\\':
			exact = false
			b = append(b, '_')
		default:
			b = append(b, byte(r))
		}
	}
	b = append(b, '"')
	if exact {
		return b
	}
	const hex = "0123456789ABCDEF"
	b = append(b, "; filename*=UTF-8''"...)
	for i := range len(name) {
		c := name[i]
		if classes[c]&classToken != 0 && c != '*' && c != '\'' && c != '%' { // attr-char, RFC 8187 §3.2.1
			b = append(b, c)
			continue
		}
		b = append(b, '%', hex[c>>4], hex[c&15])
	}
	return b
}

package live

import "bytes"

// member is a member of a JSON object as it stands in it: the name with its quotes.
type member struct{ name, value []byte }

// members appends the members of an object that this module wrote, without white space. They
// alias it.
func members(dst []member, object []byte) []member {
	for i := 1; i < len(object) && object[i] == '"'; {
		colon := past(object, i)
		end := past(object, colon+1)
		dst = append(dst, member{object[i:colon], object[colon+1 : end]})
		i = end + 1
	}
	return dst
}

// past returns the place behind the value that begins at i.
func past(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// find returns the value of a member; nil when there is none.
func find(list []member, name []byte) []byte {
	for _, m := range list {
		if bytes.Equal(m.name, name) {
			return m.value
		}
	}
	return nil
}

// narrow appends an object with those members alone whose quoted names are given.
func narrow(dst, object []byte, names [][]byte) []byte {
	var space [32]member
	dst = append(dst, '{')
	for _, m := range members(space[:0], object) {
		for _, n := range names {
			if bytes.Equal(m.name, n) {
				dst = appendMember(dst, m)
			}
		}
	}
	return append(dst, '}')
}

// appendMember appends a member to an open object.
func appendMember(dst []byte, m member) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, m.name...), ':'), m.value...)
}

// appendChanged appends "set" with the members of next that are not alike in old, and "unset"
// with the names of those that are gone.
func appendChanged(dst, old, next []byte) []byte {
	var a, b [32]member
	before, after := members(a[:0], old), members(b[:0], next)
	dst = append(dst, `,"set":{`...)
	for _, m := range after {
		if v := find(before, m.name); v == nil || !bytes.Equal(v, m.value) {
			dst = appendMember(dst, m)
		}
	}
	dst = append(dst, '}')
	gone := false
	for _, m := range before {
		if find(after, m.name) != nil {
			continue
		}
		if dst = append(dst, ','); !gone {
			dst = append(dst, `"unset":[`...)
		}
		dst, gone = append(dst, m.name...), true
	}
	if gone {
		dst = append(dst, ']')
	}
	return dst
}

package wire

import "time"

// Representation is what conditional requests are checked against: the validators of the
// representation a request selects (RFC 9110 §8.8). The zero value is one that exists
// and has no validators.
type Representation struct {
	ETag     string    // with its quotes, and W/ in front when weak; "" when there is none
	Modified time.Time // of the last change; zero when not known
	Missing  bool      // there is no representation now
}

// CheckPreconditions evaluates If-Match, If-Unmodified-Since, If-None-Match and
// If-Modified-Since in the order of RFC 9110 §13.2.2. It returns 0 when the request is to
// be performed, 304 or 412 when that is the answer. A 304 needs the ETag, Cache-Control,
// Vary and the like of the 200.
//
// Dates that do not parse are passed over, and so are those for a representation whose
// date is not known. If-Range is left to [Response.ServeContent].
func CheckPreconditions(r *Request, rep Representation) (status int) {
	h := &r.head
	read := isRead(h)
	if match, said := h.tagListed("if-match", rep, false); said {
		if !match {
			return 412
		}
	} else if t, ok := h.date("if-unmodified-since"); ok && changedSince(rep, t) {
		return 412
	}
	if match, said := h.tagListed("if-none-match", rep, true); said {
		switch {
		case !match:
			return 0
		case read:
			return 304
		}
		return 412
	}
	if !read || rep.Missing || rep.Modified.IsZero() {
		return 0
	}
	if t, ok := h.date("if-modified-since"); ok && !changedSince(rep, t) {
		return 304
	}
	return 0
}

// isRead says that the method is GET or HEAD.
func isRead(h *head) bool {
	m := h.method.of(h.buf)
	return string(m) == "GET" || string(m) == "HEAD"
}

// changedSince compares with a resolution of a second, the one dates have.
func changedSince(rep Representation, t time.Time) bool {
	return !rep.Missing && !rep.Modified.IsZero() && rep.Modified.Unix() > t.Unix()
}

func (h *head) date(name string) (time.Time, bool) {
	v, ok := h.field(name)
	if !ok {
		return time.Time{}, false
	}
	return ParseTime(string(v))
}

// tagListed looks for the representation's tag in all fields of a name; said is false
// when there are none. "*" stands for any representation that exists.
func (h *head) tagListed(name string, rep Representation, weak bool) (match, said bool) {
	for i := range h.fields {
		f := &h.fields[i]
		if !equalFold(f.name.of(h.buf), name) {
			continue
		}
		said = true
		v := f.value.of(h.buf)
		if len(v) == 1 && v[0] == '*' {
			match = match || !rep.Missing
		} else if !rep.Missing && rep.ETag != "" {
			match = match || matchTag(v, rep.ETag, weak)
		}
	}
	return match, said
}

// MatchETag says whether a list of entity tags, the value of If-Match or If-None-Match,
// names a tag (RFC 9110 §8.8.3.2). By weak comparison the W/ in front of both does not
// count, by strong comparison a weak tag is never equal. "*" names every tag. What stands
// behind a malformed element is not looked at.
func MatchETag(list, tag string, weak bool) bool {
	return list == "*" && tag != "" || matchTag(list, tag, weak)
}

func matchTag[L string | []byte](list L, tag string, weak bool) bool {
	tag, tagWeak := cutWeak(tag)
	for {
		for len(list) > 0 && (list[0] == ' ' || list[0] == '\t' || list[0] == ',') {
			list = list[1:]
		}
		e, eWeak := cutWeak(list)
		n := tagLen(e)
		if n == 0 {
			return false
		}
		if (weak || !eWeak && !tagWeak) && string(e[:n]) == tag {
			return true
		}
		list = e[n:]
		for len(list) > 0 && (list[0] == ' ' || list[0] == '\t') {
			list = list[1:]
		}
		if len(list) > 0 && list[0] != ',' {
			return false
		}
	}
}

func cutWeak[T string | []byte](tag T) (opaque T, weak bool) {
	if len(tag) > 1 && tag[0] == 'W' && tag[1] == '/' {
		return tag[2:], true
	}
	return tag, false
}

// tagLen returns the length of the opaque tag in front of b, 0 when there is none:
//
//	opaque-tag = DQUOTE *etagc DQUOTE
//	etagc      = %x21 / %x23-7E / obs-text   (RFC 9110 §8.8.3)
func tagLen[T string | []byte](b T) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c <= 0x20 || c == 0x7F:
			return 0
		}
	}
	return 0
}

// validTag says that s is one entity tag.
func validTag(s string) bool {
	s, _ = cutWeak(s)
	return len(s) > 0 && tagLen(s) == len(s)
}

package wire

// codings is what a request says about content codings (RFC 9110 §12.5.3):
//
//	Accept-Encoding = #( codings [ weight ] )
//	codings         = content-coding / "identity" / "*"
//	weight          = OWS ";" OWS "q=" qvalue
//
// Weights are in thousandths; unlisted where a coding is not named.
type codings struct {
	gzip, br, identity, any int16
	said                    bool // there was a field
}

const unlisted int16 = -1

// acceptedCodings reads the Accept-Encoding fields of a head. Elements that are malformed
// name nothing. The first mention of a coding counts.
func acceptedCodings(h *head) codings {
	c := codings{gzip: unlisted, br: unlisted, identity: unlisted, any: unlisted}
	for i := range h.fields {
		if f := &h.fields[i]; equalFold(f.name.of(h.buf), "accept-encoding") {
			c.add(f.value.of(h.buf))
		}
	}
	return c
}

func (c *codings) add(list []byte) {
	c.said = true
	eachElement(list, func(e []byte) bool {
		name, q, ok := weighted(e)
		if p := c.of(name); ok && p != nil && *p == unlisted {
			*p = q
		}
		return true
	})
}

func (c *codings) of(name []byte) *int16 {
	switch {
	case equalFold(name, "gzip"), equalFold(name, "x-gzip"):
		return &c.gzip
	case equalFold(name, "br"):
		return &c.br
	case equalFold(name, "identity"):
		return &c.identity
	case len(name) == 1 && name[0] == '*':
		return &c.any
	}
	return nil
}

// weighted takes `token [ OWS ";" OWS "q=" qvalue ]` apart. Without a weight q is 1000.
func weighted(e []byte) (name []byte, q int16, ok bool) {
	i := 0
	for i < len(e) && classes[e[i]]&classToken != 0 {
		i++
	}
	name, e = e[:i], trimOWS(e[i:])
	if len(name) == 0 || len(e) == 0 {
		return name, 1000, len(name) > 0
	}
	if e[0] != ';' {
		return nil, 0, false
	}
	e = trimOWS(e[1:])
	if len(e) < 3 || lower(e[0]) != 'q' || e[1] != '=' {
		return nil, 0, false
	}
	q, ok = qvalue(e[2:])
	return name, q, ok
}

// qvalue parses a weight (RFC 9110 §12.4.2) into thousandths:
//
//	qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
func qvalue(b []byte) (int16, bool) {
	if len(b) == 0 || len(b) > 5 || b[0] != '0' && b[0] != '1' || len(b) > 1 && b[1] != '.' {
		return 0, false
	}
	q, unit := int16(b[0]-'0')*1000, int16(100)
	for _, c := range b[min(2, len(b)):] {
		if c-'0' > 9 {
			return 0, false
		}
		q += int16(c-'0') * unit
		unit /= 10
	}
	return q, q <= 1000
}

// contentCoding is one that wire can send.
type contentCoding uint8

const (
	identity contentCoding = iota
	gzipped
	brotli
	refused // the client takes none of what there is
)

// choose returns the coding that the client likes best of identity and those offered. Of
// equals it takes br before gzip before identity: the shortest. Without a field it is
// identity; a coding that is not listed is not taken, and identity only after all listed
// ones unless it is excluded.
func (c *codings) choose(gz, br bool) contentCoding {
	if !c.said {
		return identity
	}
	best, q := refused, int16(0)
	try := func(k contentCoding, weight int16) {
		if weight == unlisted {
			weight = c.any
		}
		if weight > q {
			best, q = k, weight
		}
	}
	if br {
		try(brotli, c.br)
	}
	if gz {
		try(gzipped, c.gzip)
	}
	switch {
	case c.identity > q:
		return identity
	case best == refused && (c.identity > 0 || c.identity == unlisted && c.any != 0):
		return identity
	}
	return best
}

package jsonx

// parser is a cursor on a whole text.
type parser struct {
	data  []byte
	pos   int
	depth int
	opt   options
}

// space moves to the next byte that is no white space and returns it, 0 at the end.
func (p *parser) space() byte {
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		p.pos++
	}
	return 0
}

// Valid reports whether data is one JSON text (RFC 8259), nested at most DefaultMaxDepth levels. It looks at grammar
// and UTF-8, not at whether names repeat.
func Valid(data []byte) bool {
	p := parser{data: data, opt: options{maxDepth: DefaultMaxDepth, dups: true}}
	return p.skip() == nil && p.end() == nil
}

func (p *parser) end() error {
	if p.space(); p.pos < len(p.data) {
		return p.fail(p.pos, "end of text", nil)
	}
	return nil
}

func (p *parser) size() error {
	if p.opt.maxBytes > 0 && len(p.data) > p.opt.maxBytes {
		return &SyntaxError{Line: 1, Column: 1, Expected: "a shorter text", Err: ErrTooLarge}
	}
	return nil
}

func (p *parser) enter() error {
	if p.depth++; p.depth > p.opt.maxDepth {
		return &SyntaxError{Offset: int64(p.pos), Line: 1, Column: 1, Expected: "less nesting", Err: ErrTooDeep}
	}
	p.pos++
	return nil
}

func (p *parser) literal(s string) error {
	for i := range len(s) {
		if p.pos+i >= len(p.data) || p.data[p.pos+i] != s[i] {
			return p.fail(p.pos+i, s, nil)
		}
	}
	p.pos += len(s)
	return nil
}

// quoted reads a string and returns its contents between the quotes, as in the text.
func (p *parser) quoted() (raw []byte, simple bool, err error) {
	if p.pos >= len(p.data) || p.data[p.pos] != '"' {
		return nil, false, p.fail(p.pos, "string", nil)
	}
	end, simple, bad := scanString(p.data, p.pos+1)
	if bad != "" {
		return nil, false, p.fail(end, bad, nil)
	}
	raw = p.data[p.pos+1 : end-1]
	p.pos = end
	return raw, simple, nil
}

func (p *parser) number() (text []byte, integer bool, err error) {
	end, integer, bad := scanNumber(p.data, p.pos)
	if bad != "" {
		return nil, false, p.fail(end, bad, nil)
	}
	text = p.data[p.pos:end]
	p.pos = end
	return text, integer, nil
}

// nameSet finds repeated names: a few by looking, many by a (seeded) map.
type nameSet struct {
	few  [][]byte
	many map[string]struct{}
}

// add takes a name as it stands in the text and says whether it is new.
func (s *nameSet) add(raw []byte, simple bool) bool {
	if !simple {
		raw = unescape(nil, raw)
	}
	if s.many != nil {
		n := len(s.many)
		s.many[string(raw)] = struct{}{}
		return len(s.many) > n
	}
	for _, x := range s.few {
		if string(x) == string(raw) {
			return false
		}
	}
	if s.few = append(s.few, raw); len(s.few) > 16 {
		s.many = make(map[string]struct{}, 32)
		for _, x := range s.few {
			s.many[string(x)] = struct{}{}
		}
	}
	return true
}

// skip checks one value and moves past it.
func (p *parser) skip() error {
	switch c := p.space(); c {
	case '{':
		var names nameSet
		return p.object(func(at int, raw []byte, simple bool) error {
			if !p.opt.dups && !names.add(raw, simple) {
				return p.fail(at, "a name not used before", ErrDuplicateName)
			}
			return p.skip()
		})
	case '[':
		return p.array(func(int) error { return p.skip() })
	case '"':
		_, _, err := p.quoted()
		return err
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	default:
		if c == '-' || c-'0' < 10 {
			_, _, err := p.number()
			return err
		}
		return p.fail(p.pos, "value", nil)
	}
}

// object reads the members of the object that begins here; member reads one value.
func (p *parser) object(member func(at int, raw []byte, simple bool) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	if p.space() == '}' {
		p.pos++
		p.depth--
		return nil
	}
	for {
		p.space()
		at := p.pos
		raw, simple, err := p.quoted()
		if err != nil {
			return err
		}
		if p.space() != ':' {
			return p.fail(p.pos, "':'", nil)
		}
		p.pos++
		p.space()
		if err := member(at, raw, simple); err != nil {
			return err
		}
		switch p.space() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			p.depth--
			return nil
		default:
			return p.fail(p.pos, "',' or '}'", nil)
		}
	}
}

// array reads the elements of the array that begins here; element reads one value.
func (p *parser) array(element func(i int) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	if p.space() == ']' {
		p.pos++
		p.depth--
		return nil
	}
	for i := 0; ; i++ {
		p.space()
		if err := element(i); err != nil {
			return err
		}
		switch p.space() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			p.depth--
			return nil
		default:
			return p.fail(p.pos, "',' or ']'", nil)
		}
	}
}

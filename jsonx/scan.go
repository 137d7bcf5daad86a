package jsonx

import (
	"math"
	"sync"
)

// parser is a cursor on a whole text.
type parser struct {
	data  []byte
	pos   int
	depth int
	opt   options
}

// space moves to the next byte that is no white space and returns it, 0 at the end.
func (p *parser) space() byte {
	if p.pos < len(p.data) && p.data[p.pos] > ' ' {
		return p.data[p.pos]
	}
	if p.pos = skipSpace(p.data, p.pos); p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
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
		return p.fail(p.pos, wantShallow, nil)
	}
	p.pos++
	return nil
}

func (p *parser) literal(s string) error {
	end, bad := scanLiteral(p.data, p.pos, s)
	if bad != "" {
		return p.fail(end, bad, nil)
	}
	p.pos = end
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
	if raw = p.data[p.pos+1 : end-1]; len(raw) > p.opt.maxString {
		return nil, false, p.fail(p.pos, wantShorter, nil)
	}
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

// rulesPool keeps rules between texts: skipping a value of a dozen objects takes about ten allocations without it.
var rulesPool = sync.Pool{New: func() any { return new(rules) }}

// skip checks one value and moves past it.
func (p *parser) skip() error {
	var r *rules
	if c := p.space(); c == '{' || c == '[' || p.opt.maxString < math.MaxInt {
		r = rulesPool.Get().(*rules)
		r.reset()
		r.dups, r.maxString, r.maxMembers = p.opt.dups, p.opt.maxString, p.opt.maxMembers
		defer rulesPool.Put(r)
	}
	end, bad := skipValue(p.data, p.pos, p.opt.maxDepth-p.depth, r)
	if bad != "" {
		return p.fail(end, bad, nil)
	}
	p.pos = end
	return nil
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
	for n := 0; ; n++ {
		p.space()
		at := p.pos
		if n >= p.opt.maxMembers {
			return p.fail(at, wantFewer, nil)
		}
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

// text reads a string and returns its characters.
func (p *parser) text() (string, error) {
	p.space()
	raw, simple, err := p.quoted()
	if err != nil {
		return "", err
	}
	return stringOf(raw, simple), nil
}

// rawValue checks one value and returns its text.
func (p *parser) rawValue() ([]byte, error) {
	p.space()
	from := p.pos
	if err := p.skip(); err != nil {
		return nil, err
	}
	return p.data[from:p.pos], nil
}

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

// rulesPool keeps rules between texts: skipping a value of a dozen objects takes about ten allocations without it.
var rulesPool = sync.Pool{New: func() any { return new(rules) }}

// skip checks one value and moves past it.
func (p *parser) skip() error {
	var r *rules
	if c := p.space(); c == '{' || c == '[' || p.opt.maxString < math.MaxInt {
		r = rulesPool.Get().(*rules)
		r.dups, r.maxString, r.maxMembers = p.opt.dups, p.opt.maxString, p.opt.maxMembers
		defer func() {
			r.reset()
			rulesPool.Put(r)
		}()
	}
	end, bad := skipValue(p.data, p.pos, p.opt.maxDepth-p.depth, r)
	if bad != "" {
		return p.fail(end, bad, nil)
	}
	p.pos = end
	return nil
}

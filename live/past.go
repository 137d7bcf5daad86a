package live

import (
	"strconv"
	"sync"
)

// pastViews shares the answers of the past that many clients come back with at once, as when a
// node has failed: each is made once.
type pastViews struct {
	mu   sync.Mutex
	made map[string]*pastView
	age  []string // keys, the oldest first
}

type pastView struct {
	once sync.Once
	look *Look
	err  error
}

// pastKept is how many answers of the past are kept.
const pastKept = 64

// find returns the answer to a query at a sequence, made by fn unless it is there.
func (p *pastViews) find(q *Query, seq uint64, fn func() (*Look, error)) (*Look, error) {
	name := strconv.FormatUint(seq, 10) + " " + q.id
	p.mu.Lock()
	v := p.made[name]
	if v == nil {
		v = &pastView{}
		if p.made == nil {
			p.made = map[string]*pastView{}
		}
		p.made[name] = v
		if p.age = append(p.age, name); len(p.age) > pastKept {
			delete(p.made, p.age[0])
			p.age = p.age[1:]
		}
	}
	p.mu.Unlock()
	v.once.Do(func() {
		if v.look, v.err = fn(); v.look != nil {
			v.look.root = nil // it is the view that is kept
		}
	})
	if v.err != nil {
		p.mu.Lock()
		if p.made[name] == v {
			delete(p.made, name)
		}
		p.mu.Unlock()
	}
	return v.look, v.err
}

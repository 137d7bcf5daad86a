package live

import (
	"context"
	"strconv"
	"sync"
)

// pastViews shares the answers of the past that many clients come back with at once, as when a
// node has failed: each is made once, and for as long as somebody waits for it.
type pastViews struct {
	mu   sync.Mutex
	made map[string]*pastView
	age  []string // keys, the oldest first; some may be gone
}

type pastView struct {
	done    chan struct{} // closed when look and err are set
	look    *Look
	err     error
	waiting int                // under pastViews.mu
	cancel  context.CancelFunc // nobody waits any more
}

// pastKept is how many answers of the past are kept.
const pastKept = 64

// find returns the answer to a query at a sequence, made by fn unless it is there. ctx is that of
// who asks; fn is called in a goroutine and with a context of its own, below base, since others
// wait for the same answer: it ends when all of them have gone.
func (p *pastViews) find(ctx, base context.Context, q *Query, seq uint64, fn func(context.Context) (*Look, error)) (*Look, error) {
	name := strconv.FormatUint(seq, 10) + " " + q.id
	p.mu.Lock()
	v := p.made[name]
	if v == nil {
		v = p.begin(base, name, fn)
	}
	v.waiting++
	p.mu.Unlock()
	defer p.leave(name, v)
	select {
	case <-v.done:
		return v.look, v.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// begin has an answer made. mu is held.
func (p *pastViews) begin(base context.Context, name string, fn func(context.Context) (*Look, error)) *pastView {
	ctx, cancel := context.WithCancel(base)
	v := &pastView{done: make(chan struct{}), cancel: cancel}
	if p.made == nil {
		p.made = map[string]*pastView{}
	}
	p.made[name] = v
	if p.age = append(p.age, name); len(p.age) > pastKept {
		delete(p.made, p.age[0])
		p.age = p.age[1:]
	}
	go func() {
		defer cancel()
		defer close(v.done)
		if v.look, v.err = fn(ctx); v.look != nil {
			v.look.root = nil // it is the view that is kept
		}
	}()
	return v
}

// leave is called by who waited. An answer that nobody waits for, or that failed, is not kept.
func (p *pastViews) leave(name string, v *pastView) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v.waiting--
	select {
	case <-v.done:
		if v.err == nil {
			return
		}
	default:
		if v.waiting > 0 {
			return
		}
		v.cancel()
	}
	if p.made[name] == v {
		delete(p.made, name)
	}
}

package engine

import (
	"context"
	"sync"
)

// callPool holds calls of Do that nobody else knows any more: a call and its channel are a fifth
// of what a small write would allocate. Each engine has its own, for the channels of one may
// belong to a test's bubble.
type callPool struct{ pool sync.Pool }

func (p *callPool) get(ctx context.Context, cmd Command) *Call {
	c, ok := p.pool.Get().(*Call)
	if !ok {
		return NewCall(ctx, cmd)
	}
	c.ctx, c.cmd = ctx, cmd
	return c
}

// put takes a call that is over, or was never handed to anybody.
func (p *callPool) put(c *Call) {
	*c = Call{news: c.news}
	p.pool.Put(c)
}

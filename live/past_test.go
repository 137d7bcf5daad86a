package live

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestPastViewsAreShared: of many that ask for one answer, those that give up take it from nobody
// else; it is made once, and given up with the last of them.
func TestPastViewsAreShared(t *testing.T) {
	var p pastViews
	var calls atomic.Int32
	q := &Query{id: "item?"}
	begun, release := make(chan struct{}), make(chan struct{})
	fn := func(ctx context.Context) (*Look, error) {
		calls.Add(1)
		close(begun)
		select {
		case <-release:
			return &Look{view: &view{total: 7}}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	first, giveUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := p.find(first, t.Context(), q, 3, fn)
		gone <- err
	}()
	<-begun
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			look, err := p.find(t.Context(), t.Context(), q, 3, fn)
			if err != nil || look.view.total != 7 {
				t.Errorf("another has %v, %v", look, err)
			}
		})
	}
	for p.waiters("3 item?") < 9 {
		runtime.Gosched()
	}
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up was told %v", err)
	}
	close(release)
	all.Wait()
	if look, err := p.find(t.Context(), t.Context(), q, 3, fn); err != nil || look.view.total != 7 || calls.Load() != 1 {
		t.Errorf("later: %v, %v, made %d times", look, err, calls.Load())
	}
}

// TestPastViewEndsWithItsLastWaiter: what nobody waits for is not made to its end, and not kept.
func TestPastViewEndsWithItsLastWaiter(t *testing.T) {
	var p pastViews
	ended := make(chan struct{})
	ctx, giveUp := context.WithCancel(t.Context())
	_, err := p.find(ctx, t.Context(), &Query{id: "item?"}, 3, func(ctx context.Context) (*Look, error) {
		giveUp()
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	})
	<-ended
	if !errors.Is(err, context.Canceled) || len(p.made) != 0 {
		t.Errorf("%v, %d kept", err, len(p.made))
	}
	failed := errors.New("it is gone")
	for range 2 {
		if _, err := p.find(t.Context(), t.Context(), &Query{id: "item?"}, 4, func(context.Context) (*Look, error) { return nil, failed }); err != failed || len(p.made) != 0 {
			t.Errorf("%v, %d kept", err, len(p.made))
		}
	}
}

func (p *pastViews) waiters(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.made[name]; v != nil {
		return v.waiting
	}
	return 0
}

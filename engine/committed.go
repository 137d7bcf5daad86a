package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lithair/lithair-go/eventlog"
)

// Positions keeps, per Committed hook, the log index of the last entry it has dealt
// with. Implementations make Save durable before it returns. It is called from several
// goroutines, with different names.
type Positions interface {
	Load(name string) (index uint64, err error) // 0 when nothing is saved
	Save(name string, index uint64) error
}

const (
	hookReadBytes = 1 << 20
	hookRetryMin  = 100 * time.Millisecond
	hookRetryMax  = 30 * time.Second
	hookSaveEvery = time.Second
)

// hook is a consumer of committed entries.
type hook struct {
	name   string
	fn     func(ctx context.Context, entry Entry) error
	cancel context.CancelFunc
	done   chan struct{}
	saved  atomic.Uint64 // log index up to which it has dealt with everything, durably
}

// Committed adds a function that is called behind the commit, on this node, with every
// entry in order, at least once: after a crash the last ones may come again. Its
// position is kept under name; a new name begins with the oldest entry in the log. When
// fn returns an error it is called again with the same entry, after a growing pause.
//
// A member of a cluster that was away for so long that it was fed with a snapshot has not got
// the entries which that stands for: the hook there goes on behind it, and an error in the log of
// the program names what it has not seen.
func (e *Engine) Committed(name string, fn func(ctx context.Context, entry Entry) error) error {
	if e.cfg.Positions == nil {
		return errors.New("engine: Committed needs Config.Positions")
	}
	for _, h := range e.hooks {
		if h.name == name {
			return fmt.Errorf("engine: two Committed hooks are called %q", name)
		}
	}
	e.hooks = append(e.hooks, &hook{name: name, fn: fn, done: make(chan struct{})})
	return nil
}

func (e *Engine) startHooks() error {
	positions := make([]uint64, len(e.hooks))
	for i, h := range e.hooks {
		index, err := e.cfg.Positions.Load(h.name)
		if err != nil {
			return fmt.Errorf("engine: position of hook %s: %w", h.name, err)
		}
		switch first := e.order.First(); {
		case index == 0:
			index = first - 1
		case index+1 < first && e.member:
			index = e.missed(h, index, first)
		case index+1 < first:
			return fmt.Errorf("engine: hook %s has dealt with the log up to index %d, but that begins at %d by now: what lies between is gone; "+
				"remove its saved position to begin with the oldest entry there is, or give it a new name", h.name, index, first)
		}
		positions[i] = index
		h.saved.Store(index)
	}
	for i, h := range e.hooks {
		ctx, cancel := context.WithCancel(context.Background())
		h.cancel = cancel
		go e.follow(ctx, h, positions[i])
	}
	return nil
}

// stopHooks ends the hooks' contexts and waits for them until ctx ends. One that does not
// heed its context is left behind, by name.
func (e *Engine) stopHooks(ctx context.Context) (err error) {
	for _, h := range e.hooks {
		if h.cancel != nil {
			h.cancel()
		}
	}
	for _, h := range e.hooks {
		if h.cancel == nil {
			continue
		}
		select {
		case <-h.done:
		case <-ctx.Done():
			err = errors.Join(err, fmt.Errorf("engine: hook %s does not end: %w", h.name, context.Cause(ctx)))
		}
	}
	return err
}

// follow is a hook's goroutine.
func (e *Engine) follow(ctx context.Context, h *hook, index uint64) {
	defer close(h.done)
	saved, savedAt := index, time.Now()
	save := func() {
		if index == saved {
			return
		}
		if err := e.cfg.Positions.Save(h.name, index); err != nil {
			e.log.Error("the position of a hook cannot be saved; it will see entries again after a restart", "hook", h.name, "error", err)
			return
		}
		saved, savedAt = index, time.Now()
		h.saved.Store(index)
	}
	defer save()
	for ctx.Err() == nil {
		changed := *e.changed.Load()
		records, err := e.order.Read(index+1, hookReadBytes)
		if first := e.order.First(); errors.Is(err, eventlog.ErrCompacted) && e.member && index+1 < first {
			index = e.missed(h, index, first)
			continue
		}
		if err != nil {
			if errors.Is(err, eventlog.ErrClosed) {
				return
			}
			e.log.Error("a hook cannot read the log", "hook", h.name, "from", index+1, "error", err)
			if !sleep(ctx, hookRetryMax) {
				return
			}
			continue
		}
		if len(records) == 0 {
			save()
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		for _, r := range records {
			if r.Kind == KindBatch && !e.deliver(ctx, h, r) {
				return
			}
			index = r.Index
			if time.Since(savedAt) > hookSaveEvery {
				save()
			}
		}
	}
}

// missed tells of entries that a hook will never see, and returns behind which it goes on.
func (e *Engine) missed(h *hook, index, first uint64) uint64 {
	e.log.Error("a hook does not see entries: this node was fed with a snapshot in their place", "hook", h.name, "from", index+1, "to", first-1)
	return first - 1
}

// deliver calls the hook until it takes the entry; false when ctx ended first.
func (e *Engine) deliver(ctx context.Context, h *hook, r eventlog.Record) bool {
	entry, err := DecodeEntry(r.Payload)
	if err != nil {
		e.log.Error("a hook stops at an entry that cannot be read", "hook", h.name, "index", r.Index, "error", err)
		<-ctx.Done()
		return false
	}
	entry.Index, entry.Term, entry.Time = r.Index, r.Term, r.Time
	pause := hookRetryMin
	for {
		err := callHook(ctx, h, entry)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		e.log.Error("a hook failed and will be called again", "hook", h.name, "seq", entry.First, "error", err, "in", pause.String())
		if !sleep(ctx, pause) {
			return false
		}
		pause = min(2*pause, hookRetryMax)
	}
}

func callHook(ctx context.Context, h *hook, entry Entry) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return h.fn(ctx, entry)
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

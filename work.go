package lithair

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// work is what the leader alone does: queues and consumers.
type work interface {
	workName() string
	work(ctx context.Context) error // until ctx ends
}

// workRetry is the pause before work that ended with an error goes on.
const workRetry = time.Second

// addWork registers work, before Start.
func (a *App) addWork(w work) {
	for _, o := range a.works {
		if o.workName() == w.workName() {
			a.note(errors.New("lithair: there are two of the name " + w.workName()))
		}
	}
	a.works = append(a.works, w)
}

// startWork has work done while this node leads, until ctx ends.
func (a *App) startWork(ctx context.Context) {
	for _, w := range a.works {
		ended := make(chan struct{})
		a.working = append(a.working, working{w.workName(), ended})
		a.behind.Go(func() {
			defer close(ended)
			a.keepWorking(ctx, w)
		})
	}
}

// working is work that was started.
type working struct {
	name  string
	ended <-chan struct{}
}

// workGrace is what background work has to end when the time for a stop is over already.
const workGrace = time.Second

// endBackground ends what runs beside requests, and waits for it until ctx ends. Work that does not heed its context is left behind, by
// name.
func (a *App) endBackground(ctx context.Context) error {
	a.background()
	all := make(chan struct{})
	go func() {
		a.behind.Wait()
		close(all)
	}()
	select {
	case <-all:
		return nil
	case <-ctx.Done():
	}
	select { // what heeds its context ends, though nobody has had time for it before
	case <-all:
		return nil
	case <-time.After(workGrace):
	}
	err := context.Cause(ctx)
	for _, w := range a.working {
		select {
		case <-w.ended:
		default:
			err = fmt.Errorf("lithair: %s does not end: %w", w.name, err)
		}
	}
	return err
}

func (a *App) keepWorking(ctx context.Context, w work) {
	for ctx.Err() == nil {
		leads, changed := a.leadership()
		if !leads {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		stint, cancel := context.WithCancel(ctx)
		go func() { // ends with the leadership, or the work
			for {
				leads, changed := a.leadership()
				if !leads {
					cancel()
				}
				select {
				case <-changed:
				case <-stint.Done():
					return
				}
			}
		}()
		err := w.work(stint)
		over := stint.Err() != nil
		cancel()
		if err == nil || over || ctx.Err() != nil {
			continue
		}
		a.log.Warn("work of the leader failed and goes on in a moment", "work", w.workName(), "error", err)
		select {
		case <-time.After(workRetry):
		case <-ctx.Done():
		}
	}
}

// leadership says whether this node leads, or stands alone, and returns a channel that is closed when that may
// have changed; nil where it cannot.
func (a *App) leadership() (leads bool, changed <-chan struct{}) {
	c := a.cluster.Load()
	if c == nil {
		return true, nil
	}
	v, changed := c.node.View()
	return v.Leads, changed
}

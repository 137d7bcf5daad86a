package lithair

import (
	"context"
	"sync/atomic"
	"time"
)

// scrubRate bounds how fast the log is read, in bytes per second, so that requests keep
// the disk.
const scrubRate = 32 << 20

// scrub is what reading the whole log again has found.
type scrub struct {
	done    atomic.Int64 // when the last one that found nothing ended, Unix ns; 0: none did
	damaged atomic.Bool  // the last one found damage
}

// scrubLog reads the whole log again, every interval: a start believes the index files of
// segments that are full, so damage in them would be found only by somebody who reads it,
// perhaps when the last backup from before is gone.
func (a *App) scrubLog(ctx context.Context) {
	t := time.NewTicker(a.cfg.ScrubInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			a.scrubOnce(ctx)
		}
	}
}

func (a *App) scrubOnce(ctx context.Context) {
	bytes, err := a.events.Scrub(ctx, scrubRate)
	switch {
	case err == nil:
		a.scrub.done.Store(time.Now().UnixNano())
		a.scrub.damaged.Store(false)
		a.log.Info("the log was read again and is whole", "bytes", bytes)
	case ctx.Err() != nil:
	default:
		a.scrub.damaged.Store(true)
		if e := a.events.Suspect(err); e != nil {
			a.log.Warn("an index file could not be removed", "error", e)
		}
		if a.cluster.Load() != nil {
			a.log.Error("the log is damaged: start this node again, and it fetches the damaged records from the other members", "error", err)
			return
		}
		a.log.Error("the log is damaged, or cannot be read: what is in memory is not concerned, but a restart may be. Take a backup now, and see lithair log verify", "error", err)
	}
}

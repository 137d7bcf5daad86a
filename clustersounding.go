package lithair

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// soundings are what a node finds out about the others by asking them again and again: how long an answer takes, and
// how far their clocks are from this one.
type soundings struct {
	mu    sync.Mutex
	peers map[consensus.NodeID]sounding
	drift time.Duration // of this node's clock from the median
	known bool          // enough clocks are known to say so
}

// sounding is the newest answer of one node.
type sounding struct {
	rtt, offset time.Duration
	failed      uint64 // questions without an answer, since the start
	answered    bool   // the last one
}

// maxDrift is how far a clock may be off the median of the members'. The time of entries is the leader's, so one
// that is further off does not lead.
const maxDrift = time.Minute

// minClocks is of how many nodes a clock must be known before one is called wrong: of two, nobody can say which.
const minClocks = 3

// soundingPeriods is how many election timeouts there are between two rounds of questions.
const soundingPeriods = 10

// sound asks the others until ctx ends.
func (a *App) sound(ctx context.Context, c *cluster) {
	t := time.NewTicker(soundingPeriods * a.cfg.ElectionTimeout)
	defer t.Stop()
	wrong := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		a.peerStats(c)
		a.soundAll(ctx, c)
		if c.refuses() != nil {
			a.endLive("this node answers nothing any more")
		}
		drift, known := c.soundings.judge()
		off := known && drift.Abs() > maxDrift
		if off && !wrong {
			a.log.Error("the clock of this node is wrong: it gives up leadership until that is mended", "seconds_off_the_median", drift.Seconds())
		}
		if wrong && !off {
			a.log.Info("the clock of this node is right again", "seconds_off_the_median", drift.Seconds())
		}
		if wrong = off; off {
			c.yield(a.log)
		}
	}
}

// soundAll asks all others at once.
func (a *App) soundAll(ctx context.Context, c *cluster) {
	var done sync.WaitGroup
	for _, m := range c.node.Status().Membership.Members {
		if m.ID == c.cfg.id {
			continue
		}
		done.Go(func() {
			begun, at := time.Now(), a.cfg.now()
			info, err := c.ask(ctx, m.ID, moment{})
			c.soundings.note(m.ID, time.Since(begun), time.Unix(0, info.Clock).Sub(at), err)
			if len(info.Members) > 0 && c.joined.Load() && info.Term >= c.node.Status().Term {
				c.noteMembers(info.Members, a.log)
			}
		})
	}
	done.Wait()
}

// note takes in an answer. The other clock was read about half way.
func (p *soundings) note(id consensus.NodeID, rtt, offset time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.peers == nil {
		p.peers = map[consensus.NodeID]sounding{}
	}
	x := p.peers[id]
	if x.answered = err == nil; x.answered {
		x.rtt, x.offset = rtt, offset-rtt/2
	} else {
		x.failed++
	}
	p.peers[id] = x
}

// judge holds this node's clock against the median of those that answer, its own among them.
func (p *soundings) judge() (drift time.Duration, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets := []time.Duration{0}
	for _, x := range p.peers {
		if x.answered {
			offsets = append(offsets, x.offset)
		}
	}
	slices.Sort(offsets)
	p.drift, p.known = -offsets[(len(offsets)-1)/2], len(offsets) >= minClocks
	return p.drift, p.known
}

func (p *soundings) get(id consensus.NodeID) sounding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers[id]
}

// yield hands leadership to a voter whose clock is not as wrong as this one's.
func (c *cluster) yield(log *slog.Logger) {
	v, _ := c.node.View()
	if !v.Leads {
		return
	}
	s := c.node.Status()
	err := errors.New("no voter with a better clock answers")
	for _, m := range s.Membership.Members {
		if m.ID == c.cfg.id || m.Role != consensus.Voter || !answers(s, m.ID) || (c.soundings.get(m.ID).offset+c.soundings.off()).Abs() > maxDrift {
			continue
		}
		if err = c.node.Transfer(m.ID); err == nil {
			return
		}
	}
	log.Error("this node leads with a wrong clock, and leadership could not be handed over", "error", err)
}

// off is how far this node's clock is off the median.
func (p *soundings) off() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drift
}

// lagSeconds is the age of the oldest entry that a peer has not made durable; 0 where it has all.
func (a *App) lagSeconds(match, last uint64) float64 {
	if match >= last {
		return 0
	}
	recs, err := a.events.Read(max(match+1, a.events.First()), 1)
	if err != nil || len(recs) == 0 {
		return 0 // it is not durable here yet, and younger than that
	}
	return max(0, a.cfg.now().Sub(time.Unix(0, recs[0].Time)).Seconds())
}

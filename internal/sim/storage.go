package sim

import (
	"time"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// hook sees the calls of a machine's disk.
func (m *machine) hook(op disk.Op, name string) error {
	switch op {
	case disk.OpWrite, disk.OpSync, disk.OpTruncate, disk.OpAllocate, disk.OpRename, disk.OpRemove, disk.OpSyncDir:
	default:
		return nil
	}
	if m.fuse > 0 {
		if m.fuse--; m.fuse == 0 {
			m.dark = true
			return disk.ErrPower
		}
	}
	if m.failSync && op == disk.OpSync {
		m.failSync = false
		if m.proc != nil {
			for _, p := range m.proc.parts {
				p.ill = p.ill || p.g.owns(name)
			}
		}
		m.s.tell(m.id, "a sync of %s fails", name)
		m.s.stats["failed sync"]++
		return errSync
	}
	return nil
}

// syncTime is how long a write and its sync take.
func (m *machine) syncTime() time.Duration {
	d := 20*time.Microsecond + m.s.world.about(m.s.mood.sync)
	if m.slow > m.s.world.now {
		d += m.s.world.about(m.s.mood.slowSync)
	}
	return d
}

// write begins the next work of the log, if there is one and the disk is free.
func (p *part) write() {
	if p.work != nil {
		return
	}
	if w, ok := p.log.Begin(); ok {
		p.begin(w, false)
	}
}

func (p *part) begin(w *eventlog.Work, mark bool) {
	p.work, p.marked = w, false
	p.marks = mark
	p.idle++
	p.later(p.m.syncTime(), p.finish)
}

// finish carries out the work whose time has passed. A power failure before that finds it undone, or in
// the middle, see breakWork.
func (p *part) finish() {
	w := p.work
	if w == nil {
		return
	}
	p.work = nil
	err := w.Do()
	if p.m.dark {
		return
	}
	p.marked = p.marks && err == nil
	p.log.End(w, err)
	p.idle++
	now := p.idle
	p.later(50*time.Millisecond, func() {
		if now != p.idle || p.work != nil {
			return
		}
		if w, ok := p.log.BeginMark(); ok {
			p.begin(w, true)
		}
	})
}

// breakWork does a part of the work that a crash finds the disk busy with, or none of it.
func (m *machine) breakWork(p *part) {
	if p.work == nil || m.dark || m.s.world.oneIn(4) {
		return
	}
	m.fuse = 1 + m.s.world.rng.IntN(5)
	if err := p.work.Do(); err == nil {
		m.s.stats["crash behind a sync"]++
	} else {
		m.s.stats["crash before a sync"]++
	}
	p.work = nil
	m.fuse, m.dark = 0, false
}

// tend does now and then what nobody waits for.
func (p *part) tend() {
	p.later(p.m.s.world.about(500*time.Millisecond), func() {
		if err := p.log.Tend(); err != nil {
			p.tell("tending the log: %v", err)
		}
		p.tend()
	})
}

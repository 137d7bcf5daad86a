package sim

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
)

// mending is a machine whose log is being repaired: no process runs.
type mending struct {
	m      *machine
	g      *group
	repair *node.Repair
	asked  uint64 // questions so far
}

// answerTime is how long an answer is waited for.
const answerTime = 300 * time.Millisecond

// logConfig is that of a machine's log.
func (m *machine) logConfig(g *group, chance func() uint64) eventlog.Config {
	return eventlog.Config{Dir: g.dir() + "/log", FS: m.disk, Manual: true, SegmentBytes: m.s.mood.segmentBytes, Salt: chance, CheckAll: m.scrubs(), Logger: m.s.logger(m.id, g)}
}

func (m *machine) repairConfig(g *group, held eventlog.Position, note []byte) node.RepairConfig {
	chance := m.chance()
	return node.RepairConfig{Log: m.logConfig(g, chance), FS: m.disk, Dir: g.dir(), File: "node", Held: held, Note: note, Incarnation: chance()>>1 + 1, Logger: m.s.logger(m.id, g)}
}

// mendings is how many repairs, that power failures may have cut short, must do.
const mendings = 100

// mend begins to repair what a start has found; false when that is not to be repaired.
func (m *machine) mend(err error, p *part) bool {
	_, corrupt := errors.AsType[*eventlog.CorruptError](err)
	if !corrupt && !errors.Is(err, node.ErrMissing) {
		return false
	}
	if m.mended++; m.mended > mendings {
		violated("node %d does not start after %d repairs: %v", m.id, mendings, err)
	}
	m.disk.Hook(m.hook)
	if w := m.s.world; m.s.faulty && w.oneIn(3) {
		m.fuse = 1 + w.rng.IntN(60)
	}
	cfg := m.repairConfig(p.g, p.held, p.note)
	if !corrupt {
		m.s.tell(m.id, "is to be filled anew: %v", err)
		cfg.Cause = err
	}
	r, err := node.BeginRepair(cfg)
	if err != nil {
		m.settled(node.Repaired{}, err)
		return true
	}
	m.s.tell(m.id, "its log is damaged, and is repaired")
	m.s.stats["repair"]++
	m.mending = &mending{m: m, g: p.g, repair: r}
	m.mending.next()
	return true
}

// next asks for what is wanted next.
func (x *mending) next() {
	m := x.m
	q, to, ok, err := x.repair.Next()
	switch {
	case m.dark, err != nil:
		m.mending = nil
		m.settled(node.Repaired{}, errors.Join(err, x.repair.Close()))
		return
	case !ok:
		m.mending = nil
		m.settled(x.repair.Finish())
		return
	}
	x.asked++
	now := x.asked
	took := func(a node.RepairAnswer, err error) {
		if m.mending != x || x.asked != now {
			return
		}
		x.asked++
		if err == nil {
			m.s.stats["record fetched"] += len(a.Records)
		}
		if err := x.repair.Take(to, a, err); err != nil || m.dark {
			m.mending = nil
			m.settled(node.Repaired{}, errors.Join(err, x.repair.Close()))
			return
		}
		if len(a.Records) > 0 && q.First > 0 {
			x.next()
			return
		}
		m.s.world.after(answerTime/3, func() {
			if m.mending == x {
				x.next()
			}
		})
	}
	m.s.world.after(answerTime, func() { took(node.RepairAnswer{}, errors.New("no answer")) })
	other := m.s.machines[to]
	if other == nil {
		return
	}
	b := q.Append(nil)
	m.s.net.carry(m.id, to, func() {
		other.records(b, func(b []byte) {
			m.s.net.carry(to, m.id, func() {
				a, err := node.ParseRepairAnswer(b)
				if err != nil {
					violated("an answer does not survive its encoding: %v", err)
				}
				if q.First > 0 { // who the members are a chain does not prove
					a = m.s.altered(a)
				}
				took(a, nil)
			})
		})
	})
}

// altered is what a member says whose memory, or disk, is not what it thinks: now and then another record.
func (s *simulation) altered(a node.RepairAnswer) node.RepairAnswer {
	if len(a.Records) == 0 || !s.faulty || !s.world.oneIn(8) {
		return a
	}
	s.stats["answer altered"]++
	r := &a.Records[s.world.rng.IntN(len(a.Records))]
	if r.Payload = bytes.Clone(r.Payload); len(r.Payload) == 0 || s.world.oneIn(3) {
		r.Term++
	} else {
		r.Payload[s.world.rng.IntN(len(r.Payload))] ^= 1
	}
	return a
}

// records answers a machine that repairs its log.
func (m *machine) records(b []byte, answer func([]byte)) {
	q, err := node.ParseRepairRequest(b)
	if err != nil {
		violated("a question does not survive its encoding: %v", err)
	}
	switch {
	case m.mending != nil && m.mending.g.number == int(q.Group):
		answer(m.mending.repair.Answer(q).Append(nil))
	case m.proc != nil && int(q.Group) < len(m.proc.parts):
		p := m.proc.parts[q.Group]
		p.run(func() { answer(p.n.Records(q).Append(nil)) })
	}
}

// settled judges how a repair has ended.
func (m *machine) settled(done node.Repaired, err error) {
	s := m.s
	if m.dark {
		s.tell(m.id, "loses power while its log is repaired")
		s.stats["power lost in a repair"]++
		m.lose()
		s.world.after(s.world.about(time.Second), m.start)
		return
	}
	m.fuse = 0
	m.disk = m.disk.Kill()
	switch {
	case errors.Is(err, node.ErrNeedsReseed):
		s.tell(m.id, "is not repaired: %v", err)
		s.stats["reseed needed"]++
		m.replace = true
		s.operator.replaceLater(m)
		return
	case err != nil && m.full:
		s.world.after(s.world.about(time.Second), m.start)
		return
	case err != nil:
		violated("node %d cannot repair its log: %v", m.id, err)
	}
	if done.Cut { // its identity says so, see known
		m.cut = true
		s.stats["repair without a range's end"]++
	} else {
		s.stats["repaired record"] += int(done.Records)
	}
	if name := s.operator.rotten[m.id]; done.Cut || strings.HasSuffix(name, ".seg") {
		delete(s.operator.rotten, m.id)
	}
	s.tell(m.id, "its log is repaired: %+v", done)
	m.start()
}

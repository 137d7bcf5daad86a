package sim

import (
	"time"

	"github.com/lithair/lithair-go/consensus"
)

// clients is the place of clients in the network; machines have their ids.
const clients consensus.NodeID = 0

type link struct{ from, to consensus.NodeID }

// network carries messages, late, twice, in another order, or not at all.
type network struct {
	s       *simulation
	delay   time.Duration // about
	drop    int           // of a hundred
	repeat  int           // of a hundred
	reorder bool
	cut     map[link]bool
	slow    map[link]time.Duration
	last    map[link]time.Duration // when the newest message of a link arrives
	carried uint64
	lost    uint64
}

// carry has arrive called when the message is there; it may not be, or be called twice.
func (n *network) carry(from, to consensus.NodeID, arrive func()) {
	w, l := n.s.world, link{from, to}
	if n.cut[l] || w.percent(n.drop) {
		n.lost++
		return
	}
	n.send(l, arrive)
	if from != clients && to != clients && w.percent(n.repeat) { // a client's connection repeats nothing
		n.send(l, arrive)
	}
}

func (n *network) send(l link, arrive func()) {
	w := n.s.world
	at := w.now + 50*time.Microsecond + w.about(n.delay) + n.slow[l]
	if !n.reorder {
		at = max(at, n.last[l])
		n.last[l] = at
	}
	w.at(at, func() {
		if n.cut[l] {
			n.lost++
			return
		}
		n.carried++
		arrive()
	})
}

// heal ends all partitions.
func (n *network) heal() {
	clear(n.cut)
	clear(n.slow)
}

// calm ends all that is wrong with the network.
func (n *network) calm() {
	n.heal()
	n.drop, n.repeat, n.reorder = 0, 0, false
	n.delay = min(n.delay, 2*time.Millisecond)
}

// partition cuts the network in one of the ways in which it breaks.
func (n *network) partition() string {
	s, w := n.s, n.s.world
	ids := s.running()
	if len(ids) < 2 {
		return ""
	}
	both := func(a, b consensus.NodeID) { n.cut[link{a, b}], n.cut[link{b, a}] = true, true }
	switch w.rng.IntN(6) {
	case 0: // two halves, clients on either side, or on both
		n.heal()
		side := map[consensus.NodeID]bool{}
		for _, id := range ids {
			side[id] = w.oneIn(2)
		}
		for _, a := range ids {
			for _, b := range ids {
				if side[a] != side[b] {
					both(a, b)
				}
			}
			if side[a] && w.oneIn(2) {
				both(a, clients)
			}
		}
		return "two halves"
	case 1: // one direction
		a, b := pick(w, ids...), pick(w, ids...)
		if a != b {
			n.cut[link{a, b}] = true
		}
		return "one way"
	case 2: // one sees two halves that do not see each other
		n.heal()
		bridge := pick(w, ids...)
		for i, a := range ids {
			for j, b := range ids {
				if a != bridge && b != bridge && i%2 != j%2 {
					both(a, b)
				}
			}
		}
		return "bridge"
	case 3: // one alone, often who leads
		a := pick(w, ids...)
		if lead := s.leader(s.some()); lead != nil && w.oneIn(2) {
			a = lead.m.id
		}
		n.isolate(a)
		return "one alone"
	case 4: // everybody hears one that hears nobody, or the other way round
		a, deaf := pick(w, ids...), w.oneIn(2)
		for _, b := range ids {
			if deaf {
				n.cut[link{b, a}] = a != b
			} else {
				n.cut[link{a, b}] = a != b
			}
		}
		return "deaf or dumb"
	default: // a link comes and goes
		a, b := pick(w, ids...), pick(w, ids...)
		n.flap(a, b, 4+w.rng.IntN(20))
		return "flapping"
	}
}

// isolate cuts a machine off from all others; clients reach it.
func (n *network) isolate(a consensus.NodeID) {
	for _, b := range n.s.running() {
		if a != b {
			n.cut[link{a, b}], n.cut[link{b, a}] = true, true
		}
	}
}

func (n *network) flap(a, b consensus.NodeID, times int) {
	if a == b || times == 0 || !n.s.faulty {
		return
	}
	n.cut[link{a, b}] = !n.cut[link{a, b}]
	n.cut[link{b, a}] = n.cut[link{a, b}]
	n.s.world.after(n.s.world.between(5*time.Millisecond, 300*time.Millisecond), func() { n.flap(a, b, times-1) })
}

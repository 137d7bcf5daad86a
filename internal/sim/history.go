package sim

import (
	"slices"
	"sort"
	"strings"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/linear"
)

// history is what the clients of a group did and saw.
type history struct {
	s         *simulation
	g         *group
	intents   map[string]*intent // under way, or of unknown outcome
	registers map[string][]linear.Operation
	recent    map[string]int64 // about what a register holds
}

func newHistory(s *simulation, g *group) *history {
	return &history{s: s, g: g, intents: map[string]*intent{}, registers: map[string][]linear.Operation{}, recent: map[string]int64{}}
}

func (h *history) begin(i *intent) {
	if i.op.Do != linear.Read {
		h.intents[i.name] = i
	}
	h.s.tell(clients, "%s begins: %s of %s, argument %d", i.name, i.verb(), i.register, i.op.Arg)
}

// likely returns a value that a register may have.
func (h *history) likely(register string) int64 { return h.recent[register] }

// only says whether request is the one attempt of an operation whose outcome could be known.
func (h *history) only(op, request string) bool {
	return strings.HasSuffix(request, "/1") && h.intents[op] != nil && h.intents[op].attempts == 1
}

// session is that a client never sees the past again.
func (h *history) session(i *intent, seq uint64) {
	c := i.c
	if i.op.Do == linear.Read && seq < c.seen {
		violated("session: client %d has seen sequence %d and is shown %d", c.id, c.seen, seq)
	}
	c.seen = max(c.seen, seq)
}

func (h *history) end(i *intent) {
	s := h.s
	if i.op.End == linear.Forever {
		s.stats["operation of unknown outcome"]++
		return
	}
	s.stats["operation"]++
	delete(h.intents, i.name)
	if i.move != "" || i.op.Do == linear.Read && i.level < engine.Linearizable {
		return
	}
	h.registers[i.register] = append(h.registers[i.register], i.op)
	switch {
	case i.op.Do == linear.Read, i.op.Do == linear.Add:
		h.recent[i.register] = i.op.Result
	case !i.op.Refused:
		h.recent[i.register] = i.op.Arg
	}
}

// judge looks at it all at the end. Of the operations whose outcome no client knows, those that are
// in the log have taken place, the others have not.
func (h *history) judge() {
	var names []string
	for name := range h.intents {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		i := h.intents[name]
		if _, made := h.g.check.made[name]; made && i.move == "" {
			i.op.Refused = false
			h.registers[i.register] = append(h.registers[i.register], i.op)
		}
	}
	names = names[:0]
	for name := range h.registers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		ops := h.registers[name]
		h.s.stats["operation judged"] += len(ops)
		ok, stuck, known := linear.Check(ops, 0)
		if !known {
			h.s.stats["history too hard to judge"]++
		}
		if !ok {
			violated("the history of register %s, %d operations, is not linearizable; no order gets past %+v", name, len(ops), ops[stuck])
		}
	}
}

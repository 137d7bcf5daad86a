package live

import (
	"slices"
	"sort"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/query"
	"github.com/lithair/lithair-go/state"
)

// board holds the groups of one model so that those a record may concern are found by its
// values: each group stands with the terms of the cover of its query that few records meet.
type board struct {
	keys   map[string][]*group // by primary key
	fields []*fieldBoard
	all    []*group // without a term
}

// fieldBoard holds the groups that are found by one field.
type fieldBoard struct {
	field  model.SchemaField
	equal  map[string][]*group // by key encoding of the value
	ranges intervals
}

// choose returns the cover a group is found by, the one with fewest terms and values: one value
// before several, several before a range, and the primary key first of equals. nil: there is none.
func choose(covers [][]query.Term) (best []query.Term) {
	least := 0
	for _, cover := range covers {
		cost := 0
		for i := range cover {
			cost += costOf(&cover[i])
		}
		if best == nil || cost < least {
			best, least = cover, cost
		}
	}
	return best
}

func costOf(t *query.Term) int {
	switch {
	case t.Keys == nil:
		return 1000
	case t.Primary:
		return 2*len(t.Keys) - 1
	}
	return 2 * len(t.Keys)
}

func (b *board) add(g *group) {
	g.terms = choose(g.q.query.Covers())
	if g.terms == nil {
		b.all = append(b.all, g)
	}
	for i := range g.terms {
		switch t := &g.terms[i]; {
		case t.Keys == nil:
			b.field(g, t).ranges.add(interval{t.From, t.To, g})
		case t.Primary:
			if b.keys == nil {
				b.keys = map[string][]*group{}
			}
			addTo(b.keys, t.Keys, g)
		default:
			addTo(b.field(g, t).equal, t.Keys, g)
		}
	}
}

func addTo(to map[string][]*group, keys []string, g *group) {
	for _, k := range keys {
		to[k] = append(to[k], g)
	}
}

func (b *board) remove(g *group) {
	if g.terms == nil {
		b.all = without(b.all, g)
	}
	for i := range g.terms {
		t := &g.terms[i]
		if t.Primary && t.Keys != nil {
			removeFrom(b.keys, t.Keys, g)
			continue
		}
		f := b.field(g, t)
		if t.Keys == nil {
			f.ranges.remove(interval{t.From, t.To, g})
		} else {
			removeFrom(f.equal, t.Keys, g)
		}
		if len(f.equal) == 0 && f.ranges.empty() {
			b.fields = slices.DeleteFunc(b.fields, func(x *fieldBoard) bool { return x == f })
		}
	}
}

func removeFrom(from map[string][]*group, keys []string, g *group) {
	for _, k := range keys {
		if from[k] = without(from[k], g); len(from[k]) == 0 {
			delete(from, k)
		}
	}
}

// without takes a group out of a list whose order does not matter.
func without(list []*group, g *group) []*group {
	i := slices.Index(list, g)
	if i < 0 {
		return list
	}
	last := len(list) - 1
	list[i] = list[last]
	list[last] = nil
	return list[:last]
}

func (b *board) field(g *group, t *query.Term) *fieldBoard {
	for _, f := range b.fields {
		if f.field.Number == t.Field {
			return f
		}
	}
	f := &fieldBoard{field: *g.schema.ByNumber(t.Field), equal: map[string][]*group{}}
	b.fields = append(b.fields, f)
	return f
}

// empty says that no group is left.
func (b *board) empty() bool { return len(b.keys) == 0 && len(b.fields) == 0 && len(b.all) == 0 }

// each calls fn with every group that a change may concern, some of them more than once.
func (b *board) each(c *state.Change, fn func(*group)) {
	for _, g := range b.keys[c.Key] {
		fn(g)
	}
	for _, g := range b.all {
		fn(g)
	}
	var spaceOld, spaceNew [64]byte
	for _, f := range b.fields {
		old, was := f.value(spaceOld[:0], c.Old)
		now, is := f.value(spaceNew[:0], c.New)
		if was {
			f.each(old, fn)
		}
		if is && !(was && string(old) == string(now)) {
			f.each(now, fn)
		}
	}
}

// value returns the key encoding of a row's field.
func (f *fieldBoard) value(dst []byte, row *state.Row) (key []byte, ok bool) {
	if row == nil {
		return nil, false
	}
	raw, _, present := binenc.Lookup(row.Bytes(), f.field.Number)
	key, err := binenc.AppendKeyRaw(dst, &f.field.Type, raw, present)
	return key, err == nil // no condition on a value that cannot be read is met
}

func (f *fieldBoard) each(value []byte, fn func(*group)) {
	for _, g := range f.equal[string(value)] {
		fn(g)
	}
	f.ranges.each(string(value), fn)
}

// interval is a range of values with the group that it leads to; to is exclusive, "" is open.
type interval struct {
	from, to string
	g        *group
}

func (i *interval) holds(v string) bool { return i.from <= v && (i.to == "" || v < i.to) }

// intervals finds those that hold a value, in time O(log n) and in proportion to what is found:
// sorted by their beginning, with the largest end of each subtree of the tree that a binary
// search walks. New ones wait in a short list until there are enough for sorting again.
type intervals struct {
	sorted []interval
	reach  []string // by place of a subtree's root: the largest end in it
	recent []interval
	dead   int // of sorted, with g nil
}

func (s *intervals) empty() bool { return len(s.sorted) == s.dead && len(s.recent) == 0 }

func (s *intervals) add(i interval) {
	s.recent = append(s.recent, i)
	if len(s.recent) > 32+len(s.sorted)/8 {
		s.build()
	}
}

func (s *intervals) remove(gone interval) {
	if i := slices.Index(s.recent, gone); i >= 0 {
		s.recent = slices.Delete(s.recent, i, i+1)
		return
	}
	for i := sort.Search(len(s.sorted), func(i int) bool { return s.sorted[i].from >= gone.from }); i < len(s.sorted) && s.sorted[i].from == gone.from; i++ {
		if s.sorted[i] == gone {
			s.sorted[i].g = nil
			s.dead++
			break
		}
	}
	if s.dead > len(s.sorted)/2 {
		s.build()
	}
}

func (s *intervals) build() {
	all := append(slices.DeleteFunc(s.sorted, func(i interval) bool { return i.g == nil }), s.recent...)
	sort.SliceStable(all, func(i, j int) bool { return all[i].from < all[j].from })
	s.sorted, s.recent, s.dead = all, nil, 0
	s.reach = make([]string, len(all))
	if len(all) > 0 {
		s.measure(0, len(all))
	}
}

// measure sets the largest end of the subtree over [lo,hi) and returns it.
func (s *intervals) measure(lo, hi int) string {
	mid := int(uint(lo+hi) >> 1)
	top := s.sorted[mid].to
	for _, half := range [2][2]int{{lo, mid}, {mid + 1, hi}} {
		if half[0] < half[1] {
			if end := s.measure(half[0], half[1]); top != "" && (end == "" || end > top) {
				top = end
			}
		}
	}
	s.reach[mid] = top
	return top
}

func (s *intervals) each(v string, fn func(*group)) {
	for i := range s.recent {
		if s.recent[i].holds(v) {
			fn(s.recent[i].g)
		}
	}
	s.search(0, len(s.sorted), v, fn)
}

func (s *intervals) search(lo, hi int, v string, fn func(*group)) {
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if r := s.reach[mid]; r != "" && r <= v {
			return // all in here end before
		}
		s.search(lo, mid, v, fn)
		i := &s.sorted[mid]
		if i.from > v {
			return // and so do those behind it
		}
		if i.g != nil && i.holds(v) {
			fn(i.g)
		}
		lo = mid + 1
	}
}

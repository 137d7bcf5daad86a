package jsonx

import "hash/maphash"

// rules are what a text is held to beyond the grammar while it is skipped: names once in each object, and limits.
// It keeps the names of the objects now open, one after the other, and is used again without allocation.
type rules struct {
	maxString, maxMembers int
	dups                  bool

	text   []byte // the characters of the names, one after the other
	ends   []int  // ends[k]: where name k ends in text
	levels []nameLevel
	depth  int // levels[:depth] are open
}

// nameLevel is one open object: its names begin at first. table, used beyond smallObject names, finds a name by its
// hash: open addressing, at most half full, entries are 1 + the number of the name.
type nameLevel struct {
	first, start int // in ends and in text
	table        []uint32
}

// smallObject is up to how many names are compared one by one.
const smallObject = 8

// nameSeed makes hashes unpredictable, so that nobody can choose names that collide.
var nameSeed = maphash.MakeSeed()

func (r *rules) open() {
	if r.depth == len(r.levels) {
		r.levels = append(r.levels, nameLevel{})
	}
	l := &r.levels[r.depth]
	l.first, l.start, l.table = len(r.ends), len(r.text), l.table[:0]
	r.depth++
}

func (r *rules) close() {
	r.depth--
	l := &r.levels[r.depth]
	r.ends, r.text = r.ends[:l.first], r.text[:l.start]
}

// reset forgets all open objects, and memory that one large object left behind.
func (r *rules) reset() {
	if cap(r.text) > 1<<16 || cap(r.ends) > 1<<12 {
		r.text, r.ends, r.levels = nil, nil, nil
	}
	r.text, r.ends, r.depth = r.text[:0], r.ends[:0], 0
}

// name takes a name as it stands in the text and says what is wrong with it, if anything.
func (r *rules) name(raw []byte, plain bool) (bad string) {
	if len(raw) > r.maxString {
		return wantShorter
	}
	l := &r.levels[r.depth-1]
	n := len(r.ends) - l.first
	if n >= r.maxMembers {
		return wantFewer
	}
	start := len(r.text)
	if r.dups { // only the count matters
		r.ends = append(r.ends, start)
		return ""
	}
	if plain {
		r.text = append(r.text, raw...)
	} else {
		r.text = unescape(r.text, raw)
	}
	if n < smallObject {
		for k, from := l.first, l.start; k < len(r.ends); k++ {
			if string(r.text[from:r.ends[k]]) == string(r.text[start:]) {
				return wantNewName
			}
			from = r.ends[k]
		}
		r.ends = append(r.ends, len(r.text))
		return ""
	}
	r.ends = append(r.ends, len(r.text))
	if 2*(n+1) > len(l.table) {
		r.grow(l, n)
	}
	if !r.insert(l, n) {
		return wantNewName
	}
	return ""
}

// grow makes room in the table of l and enters the first n names.
func (r *rules) grow(l *nameLevel, n int) {
	size := max(4*smallObject, 2*len(l.table))
	if size <= cap(l.table) {
		l.table = l.table[:size]
		clear(l.table)
	} else {
		l.table = make([]uint32, size)
	}
	for k := range n {
		r.insert(l, k)
	}
}

// insert enters name k of l and says whether it is new.
func (r *rules) insert(l *nameLevel, k int) bool {
	name := r.nameAt(l, k)
	mask := uint64(len(l.table) - 1)
	h := maphash.Bytes(nameSeed, name)
	for ; l.table[h&mask] != 0; h++ {
		if string(r.nameAt(l, int(l.table[h&mask]-1))) == string(name) {
			return false
		}
	}
	l.table[h&mask] = uint32(k + 1)
	return true
}

func (r *rules) nameAt(l *nameLevel, k int) []byte {
	from := l.start
	if k > 0 {
		from = r.ends[l.first+k-1]
	}
	return r.text[from:r.ends[l.first+k]]
}

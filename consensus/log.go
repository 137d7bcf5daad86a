package consensus

import (
	"cmp"
	"slices"
)

// raftLog is the log as a replica sees it: what its disk has, and the newest entries in
// memory.
//
//	before < first entry ... last                          all there is
//	applied <= released <= commit <= last, released <= durable <= emitted <= last
//	every entry above durable is in the tail
type raftLog struct {
	storage Storage

	before     uint64 // place before the first entry
	beforeTerm uint64
	runs       []TermRun // of before < index <= last
	last       uint64
	lastTime   int64

	tail      []Entry // the newest entries, without gaps, up to last
	tailBytes int
	keepBytes int // how much of the tail stays though it is durable

	writes  []write // given to the caller, not yet known to be durable
	emitted uint64  // last entry that was given out to be written
	durable uint64

	commit       uint64
	released     uint64 // last entry given out to be applied
	applied      uint64
	releases     []release
	unapplied    int // bytes of applied < entries <= released
	maxUnapplied int

	configs []config // oldest first; the first is in force at the commit or before it
}

// write is a Ready whose entries end at last; truncations behind it lower that.
type write struct{ number, last uint64 }

// release is what was given out to be applied at once: entries up to last, so many bytes.
type release struct {
	last  uint64
	bytes int
}

func newLog(storage Storage, r Restart, keepBytes, maxUnapplied int) *raftLog {
	l := &raftLog{
		storage: storage, before: r.BeforeIndex, beforeTerm: r.BeforeTerm, runs: slices.Clone(r.Runs),
		last: r.LastIndex, lastTime: r.LastTime, emitted: r.LastIndex, durable: r.LastIndex,
		commit: r.Commit, released: r.Applied, applied: r.Applied, keepBytes: keepBytes, maxUnapplied: maxUnapplied,
	}
	for _, c := range r.Configs {
		l.configs = append(l.configs, newConfig(c.Index, c.Membership))
	}
	if len(l.configs) == 0 {
		l.configs = []config{newConfig(0, Membership{})}
	}
	l.forgetConfigs()
	return l
}

// term returns the term of the entry at index; false when it is not in the log.
func (l *raftLog) term(index uint64) (uint64, bool) {
	switch {
	case index == l.before:
		return l.beforeTerm, true
	case index < l.before || index > l.last:
		return 0, false
	}
	i, exact := slices.BinarySearchFunc(l.runs, index, func(r TermRun, at uint64) int { return cmp.Compare(r.First, at) })
	if !exact {
		i--
	}
	return l.runs[i].Term, true
}

// holds says whether the entry at index is there with that term. Index 0 is in every log.
func (l *raftLog) holds(index, term uint64) bool {
	t, ok := l.term(index)
	return ok && t == term
}

func (l *raftLog) lastTerm() uint64 {
	t, _ := l.term(l.last)
	return t
}

// upToDate says whether a log that ends so is at least as up to date as this one (§3.6.1).
func (l *raftLog) upToDate(index, term uint64) bool {
	mine := l.lastTerm()
	return term > mine || term == mine && index >= l.last
}

// lastOfTerm returns the highest index up to limit whose term is at most term, and that
// term. When none is known to be, it is one that lies before the log.
func (l *raftLog) lastOfTerm(limit, term uint64) (uint64, uint64) {
	limit = min(limit, l.last)
	for i := len(l.runs) - 1; i >= 0; i-- {
		if r := l.runs[i]; r.First <= limit {
			if r.Term <= term {
				return limit, r.Term
			}
			limit = r.First - 1
		}
	}
	if limit >= l.before && l.beforeTerm <= term {
		return l.before, l.beforeTerm
	}
	return min(limit, l.before-1), 0
}

// append puts entries behind index, where the log agrees; what follows there goes.
func (l *raftLog) append(entries ...Entry) {
	at := entries[0].Index - 1
	must(at >= l.commit, "entry %d is committed and cannot be replaced (commit %d)", at+1, l.commit)
	if at < l.last {
		l.truncate(at)
	}
	must(at == l.last, "entry %d does not follow entry %d", at+1, l.last)
	if len(l.tail)+len(entries) > cap(l.tail) {
		l.tail = slices.Grow(l.tail, len(l.tail)+len(entries)) // append alone grows by a quarter, and copies the tail five times
	}
	for _, e := range entries {
		if n := len(l.runs); n == 0 || l.runs[n-1].Term != e.Term {
			must(e.Term > l.lastTerm() || l.last == l.before && e.Term >= l.beforeTerm, "term %d behind term %d", e.Term, l.lastTerm())
			l.runs = append(l.runs, TermRun{e.Index, e.Term})
		}
		l.last, l.lastTime = e.Index, e.Time
		l.tail = append(l.tail, e)
		l.tailBytes += e.size()
	}
}

// truncate lets go of everything behind index.
func (l *raftLog) truncate(index uint64) {
	first := l.tailFirst()
	keep := 0
	if index >= first {
		keep = int(index - first + 1)
	}
	for i := keep; i < len(l.tail); i++ {
		l.tailBytes -= l.tail[i].size()
	}
	// The backing array is in messages under way: its rest must not be overwritten.
	l.tail = slices.Clip(l.tail[:min(keep, len(l.tail))])
	for len(l.runs) > 0 && l.runs[len(l.runs)-1].First > index {
		l.runs = l.runs[:len(l.runs)-1]
	}
	l.last = index
	l.emitted, l.durable = min(l.emitted, index), min(l.durable, index)
	for i := range l.writes {
		l.writes[i].last = min(l.writes[i].last, index)
	}
	for n := len(l.configs); n > 1 && l.configs[n-1].index > index; n-- {
		l.configs = l.configs[:n-1] // §4.1: a configuration goes with its entry
	}
}

// tailFirst is the index of the first entry in memory; last+1 when there is none.
func (l *raftLog) tailFirst() uint64 { return l.last + 1 - uint64(len(l.tail)) }

// entries returns entries from lo on and before hi, about maxBytes of them and at least
// one; fewer when some are on disk. A failed read of the disk ends the replica: it
// cannot know what it promised.
func (l *raftLog) entries(lo, hi uint64, maxBytes int) ([]Entry, error) {
	if lo <= l.before {
		return nil, ErrCompacted
	}
	first := l.tailFirst()
	if lo < first {
		return l.storage.Entries(lo, min(hi, first), maxBytes)
	}
	list := l.tail[lo-first : hi-first]
	total := 0
	for i := range list {
		if total += list[i].size(); total > maxBytes && i > 0 {
			return list[:i:i], nil
		}
	}
	return list[:len(list):len(list)], nil
}

// toWrite returns what the disk has not been given yet and notes it under number.
func (l *raftLog) toWrite(number uint64) []Entry {
	if l.emitted == l.last {
		return nil
	}
	list := l.tail[l.emitted+1-l.tailFirst():]
	l.emitted = l.last
	l.writes = append(l.writes, write{number, l.last})
	return list[:len(list):len(list)]
}

// persisted takes note that all writes up to number are durable.
func (l *raftLog) persisted(number uint64) {
	n := 0
	for n < len(l.writes) && l.writes[n].number <= number {
		l.durable = max(l.durable, l.writes[n].last)
		n++
	}
	l.writes = slices.Delete(l.writes, 0, n)
	must(l.durable <= l.emitted, "durable %d beyond what was written %d", l.durable, l.emitted)
	l.trim()
}

// trim lets old durable entries go from memory, three quarters of what may stay at a time.
func (l *raftLog) trim() {
	keep := l.keepBytes
	if len(l.config().Members) == 1 {
		keep = 0 // nobody will ask for them, but who is left when this leader goes: that is read again
	}
	if l.tailBytes <= keep {
		return
	}
	n, limit := 0, min(l.durable, l.released)
	for n < len(l.tail) && l.tail[n].Index <= limit && l.tailBytes > keep/4 {
		l.tailBytes -= l.tail[n].size()
		n++
	}
	if n > 0 {
		rest := l.tail[n:]
		// The old array is in messages under way. There is room for what comes until the next time: three
		// times as much, and what is under way then.
		l.tail = append(make([]Entry, 0, 9*len(rest)/2), rest...)
	}
}

// commitTo raises the commit index; it never falls.
func (l *raftLog) commitTo(index uint64) {
	if index <= l.commit {
		return
	}
	must(index <= l.last, "commit %d beyond the last entry %d", index, l.last)
	l.commit = index
	l.forgetConfigs()
}

// forgetConfigs keeps the configuration in force at the commit and those behind it.
func (l *raftLog) forgetConfigs() {
	for len(l.configs) > 1 && l.configs[1].index <= l.commit {
		l.configs = l.configs[1:]
	}
}

// config is the newest one in the log: it counts from the moment it is there (§4.1).
func (l *raftLog) config() *config { return &l.configs[len(l.configs)-1] }

// isOnly says whether id is the whole cluster in all configurations that may be in force: one that is not known to be
// committed may leave out a leader who goes by it as well, until then.
func (l *raftLog) isOnly(id NodeID) bool {
	return !slices.ContainsFunc(l.configs, func(c config) bool { return !c.IsOnly(id) })
}

// toApply returns committed and durable entries that nobody was given yet.
func (l *raftLog) toApply(maxBytes int) ([]Entry, error) {
	hi := min(l.commit, l.durable)
	if l.released >= hi || l.unapplied > l.maxUnapplied {
		return nil, nil
	}
	list, err := l.entries(l.released+1, hi+1, maxBytes)
	if err != nil {
		return nil, err
	}
	r := release{last: list[len(list)-1].Index}
	for i := range list {
		r.bytes += list[i].size()
	}
	l.releases = append(l.releases, r)
	l.released, l.unapplied = r.last, l.unapplied+r.bytes
	return list, nil
}

// appliedTo takes note of how far the state has come.
func (l *raftLog) appliedTo(index uint64) {
	must(index <= l.released, "applied %d beyond what was released %d", index, l.released)
	l.applied = max(l.applied, index)
	n := 0
	for n < len(l.releases) && l.releases[n].last <= index {
		l.unapplied -= l.releases[n].bytes
		n++
	}
	l.releases = slices.Delete(l.releases, 0, n)
	l.trim()
}

// reset puts a snapshot in place of the log, under the Ready of that number.
func (l *raftLog) reset(s Snapshot, number uint64) {
	must(s.Index > l.commit, "snapshot at %d behind the commit %d", s.Index, l.commit)
	l.before, l.beforeTerm, l.runs = s.Index, s.Term, nil
	l.last, l.tail, l.tailBytes = s.Index, nil, 0
	l.emitted, l.commit, l.released = s.Index, s.Index, s.Index
	l.durable, l.lastTime = 0, s.Time
	l.releases, l.unapplied = nil, 0
	l.writes = append(l.writes[:0], write{number, s.Index})
	l.configs = []config{newConfig(s.Index, s.Membership)}
}

// compact takes note that the disk has nothing at and before index any more.
func (l *raftLog) compact(index uint64) {
	if index <= l.before {
		return
	}
	must(index <= l.applied, "compaction at %d beyond what is applied %d", index, l.applied)
	term, _ := l.term(index)
	l.before, l.beforeTerm = index, term
	n := 0
	for n+1 < len(l.runs) && l.runs[n+1].First <= index+1 {
		n++
	}
	l.runs = l.runs[n:]
	if len(l.runs) > 0 {
		l.runs = slices.Clone(l.runs)
		l.runs[0].First = index + 1
		if l.last == index {
			l.runs = nil
		}
	}
}

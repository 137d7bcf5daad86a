package consensus

// Refused says that the disk has cleanly refused every entry that was given out behind what is
// durable, for want of room: none of them is there. Term, vote and promises, which have their place, are durable: the
// replica votes, and answers. With dropped true the entries are gone, as if
// they had never been proposed, and their indexes will be given again; that is so on the
// leader of a cluster with no other member, then as now, who alone has seen them. Otherwise others may have
// them, and they will be given out again by a later Ready: the caller waits until there
// is room, and had better let another lead meanwhile, see HandOver.
func (r *Replica) Refused() (dropped bool) {
	l := r.log
	must(r.install == nil && l.durable >= l.before, "a refused write while a snapshot is being installed")
	defer r.release(r.number)
	if r.role == Leader && r.alone() {
		l.truncate(l.durable)
		l.writes = nil
		for n := len(r.sizes); n > 0 && r.sizes[n-1].last > l.last; n-- {
			r.uncommitted -= r.sizes[n-1].bytes
			r.sizes = r.sizes[:n-1]
		}
		if r.raisedAt > l.last {
			r.raisedAt = 0 // its index is given to another entry
		}
		if r.termStart > l.last {
			r.becomeFollower(r.term, 0) // without its no-op it cannot commit
		}
		return true
	}
	l.emitted, l.writes = l.durable, nil
	return false
}

// alone says that nobody else was a member when any of what is not durable was appended, nor is now.
func (r *Replica) alone() bool {
	list := r.log.configs
	for i := len(list) - 1; i >= 0; i-- {
		if !list[i].IsOnly(r.cfg.ID) {
			return false
		}
		if list[i].index <= r.log.durable {
			break // it held before them
		}
	}
	return true
}

// Leadership says in one call what a driver looks at after each step: whether this replica
// leads, whether something of its term is committed, the term, and the index of the entry
// that opened it.
func (r *Replica) Leadership() (leads, ready bool, term, start uint64) {
	return r.role == Leader, r.role == Leader && r.log.commit >= r.termStart, r.term, r.termStart
}

// Committed is the commit index.
func (r *Replica) Committed() uint64 { return r.log.commit }

// ProposeNoop puts an entry without meaning into the log: once it is committed, so is
// everything that was acknowledged before. It is the strong read.
func (r *Replica) ProposeNoop() (index uint64, err error) {
	switch {
	case r.role != Leader:
		return 0, ErrNotLeader
	case r.transferee != 0:
		return 0, ErrTransferring
	case r.busy(entryOverhead):
		return 0, ErrBusy
	}
	r.appendOwn(KindNoop, nil)
	r.await(&r.log.tail[len(r.log.tail)-1])
	return r.log.last, nil
}

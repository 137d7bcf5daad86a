package eventlog

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A damaged log is mended with records that another log has. What is whole on either side of a
// damaged range says which chain value leads into it and which must come out, so that no other
// records than those that stood there are taken, whoever brings them. The segment in which the
// range begins is written anew, with the missing frames in their place, synced, read back, and
// takes the name of the damaged one; segments that were lost whole go after that. So a crash
// finds the range as it was, or filled, and mending begins again where it was.

// ErrNotThese: the records do not lead to what follows the damaged range. They are forgotten, and
// wanted from somebody else.
var ErrNotThese = errors.New("eventlog: these are not the records that stood in the damaged range")

// Mender fills the damaged ranges of a log; see [Log.Mend]. It is for one goroutine.
type Mender struct {
	l        *Log
	held     Position
	gaps     []gap // to be filled, in order
	rest     []gap // that cannot be
	remade   *remake
	repaired uint64
}

// remake is a segment that is being written anew.
type remake struct {
	swap  *swap
	out   *rewriter
	done  int64 // of the old segment is copied
	gaps  []gap // in it, the first of which is being filled
	next  uint64
	last  uint64
	sum   Sum
	frame uint64 // number of the next one to be filled in
	batch []byte // records behind room for a head
	count uint32
	given uint64
}

// Mend returns what fills the damaged ranges of a log that was opened with Config.Salvage, which
// goes on to serve what was whole. held is the place of a snapshot: what lies before need not be
// in the log. Afterwards the log is closed, and opened as ever.
//
// Errors: [ErrNoChain].
func (l *Log) Mend(held Position) (*Mender, error) {
	if l.im.loose {
		return nil, ErrNoChain
	}
	m := &Mender{l: l, held: held}
	for i := range l.gaps {
		if g := l.gaps[i]; m.fillable(&g) && len(m.rest) == 0 {
			m.gaps = append(m.gaps, g)
		} else {
			m.rest = append(m.rest, g)
		}
	}
	// A segment is written anew whole, or not at all.
	for len(m.rest) > 0 && len(m.gaps) > 0 && m.gaps[len(m.gaps)-1].seg == m.rest[0].seg {
		m.rest = append([]gap{m.gaps[len(m.gaps)-1]}, m.rest...)
		m.gaps = m.gaps[:len(m.gaps)-1]
	}
	return m, nil
}

// fillable says whether it is known what stood in a range, and makes the range at the beginning of the log
// begin where it must.
func (m *Mender) fillable(g *gap) bool {
	if g.toSeg < 0 || g.backwards() && g.seg >= 0 {
		return false
	}
	if g.seg < 0 {
		frame, err := strconv.ParseUint(strings.TrimSuffix(path.Base(m.l.im.segments[0].name), segmentSuffix), 10, 64)
		if err != nil || !g.toHeader {
			return false
		}
		g.frame, g.last, g.chain = frame, min(m.held.Index, g.before), m.held.Chain
	}
	first, last := g.wants()
	return g.toFrame >= g.frame && (first > last || g.toFrame > g.frame)
}

// Want returns the next records that are wanted, first to last; ok is false when no more are.
//
// Errors: those of the disk, *[CorruptError].
func (m *Mender) Want() (first, last uint64, ok bool, err error) {
	for len(m.gaps) > 0 {
		if m.remade == nil {
			if err := m.begin(); err != nil {
				return 0, 0, false, err
			}
			continue
		}
		r := m.remade
		if r.next <= r.last {
			return r.next, r.last, true, nil
		}
		if err := m.filled(); err != nil {
			return 0, 0, false, err
		}
	}
	return 0, 0, false, nil
}

// Mended returns how many records were filled in.
func (m *Mender) Mended() uint64 { return m.repaired }

// Rest returns the first index behind which the log is not whole though nothing more is wanted:
// damage reaches to its end, or a truncation was lost. ok is false when all is well.
func (m *Mender) Rest() (first uint64, ok bool) {
	if len(m.rest) == 0 {
		return 0, false
	}
	return m.rest[0].last + 1, true
}

// begin opens what is to be written anew for the first gap.
func (m *Mender) begin() error {
	g := &m.gaps[0]
	if first, last := g.wants(); first > last && g.toHeader && (g.seg < 0 || g.off == m.l.im.segments[g.seg].end && g.toFrame == g.frame && g.seg+1 < g.toSeg) {
		return m.lostWhole() // the segment before leads to the one behind: what is between goes
	}
	r := &remake{}
	var err error
	if g.seg < 0 {
		lost := m.l.im.segments[0]
		lost.header = segmentHeader{first: g.last + 1, frame: g.frame, chain: g.chain}
		r.swap, err = m.l.beginSwap(lost, false)
	} else {
		r.swap, err = m.l.beginSwap(m.l.im.segments[g.seg], m.l.im.segments[g.seg].header.packed)
	}
	if err != nil {
		return err
	}
	r.out = &rewriter{swap: r.swap, file: r.swap.made.file}
	r.done = headerSize
	for i := range m.gaps {
		if m.gaps[i].seg == g.seg {
			r.gaps = append(r.gaps, m.gaps[i])
		}
	}
	m.remade = r
	if err := r.out.put(r.swap.made.header.encode()); err != nil {
		return err
	}
	return r.upTo(&r.gaps[0])
}

// upTo copies what is whole before a gap.
func (r *remake) upTo(g *gap) error {
	if g.seg >= 0 {
		if err := r.copy(g.off); err != nil {
			return err
		}
	}
	r.next, r.last = g.wants()
	r.sum, r.frame, r.given = g.chain, g.frame, 0
	r.batch, r.count = make([]byte, frameHead), 0
	return nil
}

// copy writes the frames of the old segment up to a place.
func (r *remake) copy(end int64) error {
	old := r.swap.old
	w := window{file: old.file, size: end, written: end}
	for r.done < end {
		f, problem, err := w.frame(r.done, &old.env)
		size := f.size
		switch {
		case problem != "" || err != nil:
		case f.kind == framePack:
			_, problem, err = r.out.redactPack(&w, &f, nil)
		default:
			err = r.out.plain(&f)
		}
		if problem != "" {
			return &CorruptError{Segment: old.name, Offset: r.done, Reason: problem}
		}
		if err != nil {
			return err
		}
		r.done += size
	}
	return nil
}

// Give takes records that were wanted: the first ones, as many as there are at hand. Payloads are
// copied.
//
// Errors: [ErrOrder]; [ErrNotThese]; those of the disk.
func (m *Mender) Give(recs []Record) error {
	r := m.remade
	if r == nil || len(r.gaps) == 0 {
		return ErrOrder
	}
	g := &r.gaps[0]
	for i := range recs {
		x := &recs[i]
		if x.Index != r.next || r.next > r.last || x.Redacted && len(x.Payload) != chainSize || len(x.Payload) > m.l.cfg.MaxRecordBytes {
			return fmt.Errorf("%w: record %d of %d bytes, where %d to %d are wanted", ErrOrder, x.Index, len(x.Payload), r.next, r.last)
		}
		if r.count > 0 && len(r.batch)+recordHead+len(x.Payload) > m.l.cfg.MaxBatchBytes && r.frame+1 < g.toFrame {
			if err := r.flush(); err != nil {
				return err
			}
		}
		if len(r.batch)+recordHead+len(x.Payload) > maxAppendBytes {
			return fmt.Errorf("%w: more than %d bytes for one batch", ErrTooLarge, maxAppendBytes)
		}
		r.batch = appendRecord(r.batch, x.Index, x)
		r.sum = r.sum.chain(x)
		r.next, r.count, r.given = r.next+1, r.count+1, r.given+1
	}
	if r.next <= r.last || g.fits(r.sum) {
		return nil
	}
	return errors.Join(ErrNotThese, m.abandon())
}

// flush writes the batch that was gathered.
func (r *remake) flush() error {
	if r.count == 0 {
		return nil
	}
	f := frame{kind: frameBatch, number: r.frame, durable: r.next - uint64(r.count) - 1, first: r.next - uint64(r.count), count: r.count, chain: r.sum}
	err := r.out.finish(r.batch, &f)
	r.frame++
	r.batch, r.count = make([]byte, frameHead), 0
	return err
}

// abandon forgets what was written anew.
func (m *Mender) abandon() error {
	r := m.remade
	m.remade = nil
	if r == nil {
		return nil
	}
	return r.swap.drop(m.l)
}

// filled goes on behind a gap that has all it wants: to the next one in the segment, or to the end.
func (m *Mender) filled() error {
	r := m.remade
	g := &r.gaps[0]
	if !g.fits(r.sum) && r.given == 0 { // a truncation is lost that stood among frames without records
		return m.GiveUp()
	}
	if err := r.flush(); err != nil {
		return err
	}
	for ; r.frame < g.toFrame; r.frame++ { // marks stand for frames that nobody needs
		last := r.next - 1
		if err := r.out.finish(make([]byte, frameHead), &frame{kind: frameMark, number: r.frame, durable: last, first: last + 1, chain: r.sum}); err != nil {
			return err
		}
	}
	m.repaired += r.given
	if g.toSeg == g.seg {
		r.done = g.toOff
		if len(r.gaps) > 1 {
			r.gaps = r.gaps[1:]
			return r.upTo(&r.gaps[0])
		}
		if err := r.copy(r.swap.old.end); err != nil {
			return err
		}
	}
	return m.swapIn()
}

// swapIn makes the new segment durable, reads it back, every record and chain value of it, and puts it
// in the place of the old one.
func (m *Mender) swapIn() error {
	r := m.remade
	fs, dir := m.l.cfg.FS, m.l.cfg.Dir
	if err := r.out.end(); err != nil {
		return err
	}
	made := r.swap.made
	if err := made.file.Sync(); err != nil {
		return err
	}
	if err := m.proofread(made); err != nil {
		m.l.cfg.Logger.Warn("a segment that was mended is not used", "segment", made.name, "error", err)
		return m.GiveUp()
	}
	if err := fs.Remove(indexName(made.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := errors.Join(made.file.Close(), fs.Rename(r.swap.temp, made.name), fs.SyncDir(dir)); err != nil {
		return err
	}
	g := &r.gaps[len(r.gaps)-1]
	m.remade = nil
	from, to := g.seg+1, g.toSeg
	if g.seg < 0 {
		from = 1
	}
	m.gaps = slices.DeleteFunc(m.gaps, func(x gap) bool { return x.seg == g.seg })
	return m.remove(from, to)
}

// proofread reads a segment that was just written.
func (m *Mender) proofread(made *segment) error {
	again := &segment{name: made.name, file: made.file, header: made.header, env: made.env, size: made.end, end: headerSize, low: noTruncation}
	s := &scanner{fs: m.l.cfg.FS, dir: m.l.cfg.Dir, keys: m.l.cfg.Keys, deep: true}
	if err := s.segment(again, "", true, false, nil); err != nil {
		return fmt.Errorf("eventlog: a segment that was mended: %w", err)
	}
	g := &m.remade.gaps[len(m.remade.gaps)-1]
	if g.toHeader && !again.summary.continuedBy(&m.l.im.segments[g.toSeg].header) {
		return fmt.Errorf("eventlog: %s was mended and does not lead to the segment behind it", made.name)
	}
	return nil
}

// GiveUp has nothing more wanted: nobody has the records. The log is not whole from there on, see Rest.
//
// Errors: those of the disk.
func (m *Mender) GiveUp() error {
	if len(m.gaps) > 0 {
		m.rest = append(m.gaps, m.rest...)
		m.gaps = nil
	}
	return m.abandon()
}

// lostWhole removes segments of which nothing is left, and nothing is needed.
func (m *Mender) lostWhole() error {
	g := m.gaps[0]
	m.gaps = m.gaps[1:]
	return m.remove(max(0, g.seg+1), g.toSeg)
}

// remove takes segments out of the directory, each durably before the next.
func (m *Mender) remove(from, to int) error {
	fs := m.l.cfg.FS
	for _, seg := range m.l.im.segments[min(from, to):to] {
		for _, name := range []string{seg.name, indexName(seg.name)} {
			if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := fs.SyncDir(m.l.cfg.Dir); err != nil {
			return err
		}
	}
	return nil
}

// Drop gives up the range that is wanted, and all before it, where a snapshot holds what stood there:
// the log begins with a segment behind it. dropped is false where it does not.
//
// Errors: those of the disk.
func (m *Mender) Drop() (dropped bool, err error) {
	if len(m.gaps) == 0 {
		return false, nil
	}
	g := &m.gaps[0]
	if m.remade != nil {
		g = &m.remade.gaps[0]
	}
	for i := max(g.toSeg, g.seg+1); i < len(m.l.im.segments); i++ {
		seg := m.l.im.segments[i]
		if i == g.toSeg && !g.toHeader || seg.header.first == 0 {
			continue
		}
		if seg.header.first-1 > m.held.Index {
			return false, nil
		}
		if err := m.abandon(); err != nil {
			return false, err
		}
		m.gaps = slices.DeleteFunc(m.gaps, func(x gap) bool { return x.toSeg < i || x.toSeg == i && x.toHeader })
		return true, m.remove(0, i)
	}
	return false, nil
}

// Close lets go of what was begun. The log stays open.
func (m *Mender) Close() error { return m.abandon() }

// PutAside gives all segments of a log that no process has open another name, ending in ".damaged": none of it can be
// kept. The newest go first; a crash may leave the oldest, as if nothing had followed, so the caller has written down before
// that the log counts for nothing.
//
// Errors: *disk.LockedError, those of the file system.
func PutAside(cfg Config) (err error) {
	fs := orReal(cfg.FS)
	lock, err := fs.Lock(path.Join(cfg.Dir, "LOCK"))
	if err != nil {
		return fmt.Errorf("eventlog: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	names, _, err := listSegments(fs, cfg.Dir)
	if err != nil {
		return err
	}
	var p Plan
	for _, n := range names {
		p.Aside = append(p.Aside, path.Join(cfg.Dir, n))
	}
	return putAside(fs, cfg.Dir, p)
}

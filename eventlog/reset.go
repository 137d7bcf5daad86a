package eventlog

import (
	"errors"
	"os"

	"github.com/lithair/lithair-go/internal/disk"
)

// resetLog is no kind of frame: the work is to begin the log anew at a position.
const resetLog uint32 = 1<<31 + 2

// Reset lets go of all records and begins the log anew behind p, as Config.Begin does in an
// empty directory: the next record has the index behind p's. A snapshot holds what was
// there. It is durable on return.
//
// It takes several steps. A crash leaves what there was, or that without some of the oldest
// segments, or an empty directory, or the new beginning, and each can be opened. So the
// caller has written down that it resets the log before it does, and does it again, with the
// same p, when the log is opened and Begun says that it has not come to an end.
//
// Errors: [ErrPoisoned] when a step failed, as the log is neither here nor there then;
// [ErrNoKey], and nothing has changed; [ErrClosed].
func (l *Log) Reset(p Position) error {
	ch := make(chan error, 1)
	l.ResetAsync(p, func(err error) { ch <- err })
	return l.await(ch)
}

// ResetAsync is Reset without waiting; it takes its turn among the appends. What is appended
// after the call goes into the new log.
func (l *Log) ResetAsync(p Position, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		l.refuse(done, err)
		return
	}
	l.next = p.Index + 1
	l.put(&pending{kind: resetLog, begin: p, calls: []call{{done: done}}})
	l.rouse()
}

// Begun says whether the log begins behind p: a Reset to that place has come to its end.
func (l *Log) Begun(p Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.im.base == p.Index && l.im.baseSum == p.Chain
}

// beginAnew removes all segments, oldest first, each durably before the next, as removeBefore does,
// and makes the first one of the new log. It needs no lock: the image changes only in End.
func (w *Work) beginAnew() error {
	l, begin := w.log, w.taken.begin
	h := segmentHeader{first: begin.Index + 1, frame: l.im.frame, salt: l.cfg.Salt(), chain: begin.Chain, loose: l.im.loose}
	env, err := h.lock(l.cfg.Keys, l.cfg.Salt) // a key that is missing leaves all as it was
	if err != nil {
		return err
	}
	for _, seg := range l.im.segments {
		for _, name := range []string{seg.name, indexName(seg.name)} {
			if err := l.cfg.FS.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
			return err
		}
	}
	seg, err := l.createSegment(h, env, l.cfg.SegmentBytes)
	if disk.IsFull(err) {
		seg, err = l.createSegment(h, env, headerSize) // it grows when there is room
	}
	w.begun = seg
	return err
}

// restart makes the segment that beginAnew has made the whole log. l.mu is held.
func (l *Log) restart(made *segment, begin Position) (err error) {
	for _, seg := range l.im.segments {
		if seg.removed = true; seg.readers == 0 {
			err = errors.Join(err, seg.file.Close())
		}
	}
	l.im = image{
		segments: []*segment{made}, frame: l.im.frame, loose: l.im.loose, marked: true, // nothing is left to be said durable
		base: begin.Index, baseSum: begin.Chain, last: begin.Index, chain: begin.Chain,
	}
	return err
}

package eventlog

import (
	"errors"
	"slices"
)

// A log that is opened with Config.Salvage is read only, and may have holes: ranges of
// indexes whose records are damaged. Reading one is a *CorruptError that names it;
// reading what lies before and behind goes on as ever.

// salvage surveys the log and returns what is whole as an image.
func salvage(cfg *Config) (*image, Survey, []gap, error) {
	s := &surveyor{scanner: scanner{fs: cfg.FS, dir: cfg.Dir, keys: cfg.Keys, readOnly: true}}
	if err := s.survey(); err != nil {
		return nil, Survey{}, nil, errors.Join(err, s.close())
	}
	s.im.holes = s.found.Damaged
	return &s.im, s.found, s.gaps, nil
}

// Damaged returns the ranges that cannot be read, in order, of a log that was opened with
// Config.Salvage. Damage.First to Damage.Last are what has to come from elsewhere; a range
// without a last index reaches to the end, and one with a lower last index than first has
// damaged nothing but marks.
func (l *Log) Damaged() []Damage { return slices.Clone(l.survey.Damaged) }

// hole is the error for an index whose record is damaged.
func (im *image) hole(index uint64) error {
	for i := range im.holes {
		if d := &im.holes[i]; d.First <= index && (index <= d.Last || d.Last == 0) {
			return &CorruptError{Segment: d.Segment, Offset: d.Offset, Index: index, Reason: d.Reason}
		}
	}
	return &CorruptError{Index: index, Reason: "the record is missing"}
}

// breakOff notes that damage comes behind what was read: what follows is another place,
// whose chain value before it is unknown.
func (im *image) breakOff() {
	im.broken = true
	if n := len(im.places); n > 0 {
		im.places[n-1].closed = true
	}
}

// lostTruncation notes that a batch follows index, although records behind it were read:
// the truncation that took them back was in a damaged range.
func (im *image) lostTruncation(index uint64) {
	if index >= im.last {
		return
	}
	for n := len(im.places); n > 0 && im.places[n-1].first > index; n-- {
		im.places = im.places[:n-1]
	}
	if n := len(im.places); n > 0 && im.places[n-1].last > index {
		p := &im.places[n-1]
		p.last, p.closed, p.unsummed = index, true, true
	}
}

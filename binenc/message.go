package binenc

import "bytes"

// Lookup returns the payload of a field of a message: an integer's little-endian bytes
// (at least one), the four or eight bytes of a float, or what the length of any other
// counts. It aliases msg. ok is false when the field is absent or the message broken
// before it; CheckMessage tells which.
func Lookup(msg []byte, number uint32) (payload []byte, w Wire, ok bool) {
	d := NewDecoder(msg)
	for {
		n, w, ok := d.Next()
		switch {
		case !ok || n > number:
			return nil, 0, false
		case n == number:
			return d.Payload(), w, true
		}
	}
}

// writer appends fields as they stand in other messages.
type writer struct {
	buf  []byte
	last uint32
}

func (w *writer) put(d *Decoder) {
	w.buf = append(appendGap(w.buf, d.number-w.last-1), d.value()...)
	w.last = d.number
}

// Merge appends base with patch's fields in place of its own and the cleared ones left
// out. The result is canonical where both are. cleared must ascend. Fields whose type
// nobody here knows are kept as they are.
func Merge(dst, base, patch []byte, cleared []uint32) ([]byte, error) {
	b, p, w := NewDecoder(base), NewDecoder(patch), writer{buf: dst}
	bn, _, bok := b.Next()
	pn, _, pok := p.Next()
	put := func(d *Decoder) {
		for len(cleared) > 0 && cleared[0] < d.number {
			cleared = cleared[1:]
		}
		if len(cleared) == 0 || cleared[0] != d.number {
			w.put(d)
		}
	}
	for bok || pok {
		switch {
		case !pok || bok && bn < pn:
			put(&b)
			bn, _, bok = b.Next()
		default:
			put(&p)
			if bok && bn == pn {
				bn, _, bok = b.Next()
			}
			pn, _, pok = p.Next()
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	if p.err != nil {
		return nil, p.err
	}
	return w.buf, nil
}

// Diff returns what makes new of old: patch is a message of the fields that are new or
// differ, cleared the numbers of those that are gone, ascending. Only numbers for which
// mine says true count; nil means all. Both results are the caller's.
func Diff(old, new []byte, mine func(number uint32) bool) (patch []byte, cleared []uint32, err error) {
	a, b, w := NewDecoder(old), NewDecoder(new), writer{}
	an, _, aok := a.Next()
	bn, _, bok := b.Next()
	counts := func(n uint32) bool { return mine == nil || mine(n) }
	for aok || bok {
		switch {
		case !bok || aok && an < bn:
			if counts(an) {
				cleared = append(cleared, an)
			}
			an, _, aok = a.Next()
		default:
			same := aok && an == bn
			if counts(bn) && !(same && bytes.Equal(a.value(), b.value())) {
				w.put(&b)
			}
			if same {
				an, _, aok = a.Next()
			}
			bn, _, bok = b.Next()
		}
	}
	if a.err != nil {
		return nil, nil, a.err
	}
	if b.err != nil {
		return nil, nil, b.err
	}
	return w.buf, cleared, nil
}

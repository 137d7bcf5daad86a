package binenc

import "bytes"

// field is one field of a message in the reader's way.
type field struct {
	number uint32
	wire   Wire
	raw    []byte // value with its length prefix
}

func (r *Reader) field() (f field, ok bool) {
	number, w, ok := r.Next()
	if !ok {
		return field{}, false
	}
	return field{number, w, r.Raw(w)}, r.err == nil
}

// Lookup returns the value of a field of a message: the payload of a WireBytes value
// (without its length), the bytes of any other. It aliases msg. ok is false when the
// field is absent or the message broken before it; CheckMessage tells which.
func Lookup(msg []byte, number uint32) (raw []byte, w Wire, ok bool) {
	r := NewReader(msg)
	for {
		n, w, ok := r.Next()
		if !ok || n > number {
			return nil, 0, false
		}
		if n < number {
			r.Skip(w)
			continue
		}
		if w == WireBytes {
			raw = r.Bytes()
		} else {
			raw = r.Raw(w)
		}
		return raw, w, r.err == nil
	}
}

// Merge appends base with patch's fields in place of its own and the cleared ones left
// out. The result is canonical where both are. cleared must ascend.
func Merge(dst, base, patch []byte, cleared []uint32) ([]byte, error) {
	b, p := NewReader(base), NewReader(patch)
	bf, bok := b.field()
	pf, pok := p.field()
	put := func(f field) {
		for len(cleared) > 0 && cleared[0] < f.number {
			cleared = cleared[1:]
		}
		if len(cleared) > 0 && cleared[0] == f.number {
			return
		}
		dst = append(AppendTag(dst, f.number, f.wire), f.raw...)
	}
	for bok || pok {
		switch {
		case !pok || bok && bf.number < pf.number:
			put(bf)
			bf, bok = b.field()
		case !bok || pf.number < bf.number:
			put(pf)
			pf, pok = p.field()
		default:
			put(pf)
			bf, bok = b.field()
			pf, pok = p.field()
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	return dst, p.err
}

// Diff returns what makes new of old: patch holds the fields that are new or differ,
// cleared the numbers of those that are gone, ascending. Only numbers for which mine
// says true count; nil means all.
func Diff(old, new []byte, mine func(number uint32) bool) (patch []byte, cleared []uint32, err error) {
	a, b := NewReader(old), NewReader(new)
	af, aok := a.field()
	bf, bok := b.field()
	counts := func(n uint32) bool { return mine == nil || mine(n) }
	for aok || bok {
		switch {
		case !bok || aok && af.number < bf.number:
			if counts(af.number) {
				cleared = append(cleared, af.number)
			}
			af, aok = a.field()
		case !aok || bf.number < af.number:
			if counts(bf.number) {
				patch = append(AppendTag(patch, bf.number, bf.wire), bf.raw...)
			}
			bf, bok = b.field()
		default:
			if (af.wire != bf.wire || !bytes.Equal(af.raw, bf.raw)) && counts(bf.number) {
				patch = append(AppendTag(patch, bf.number, bf.wire), bf.raw...)
			}
			af, aok = a.field()
			bf, bok = b.field()
		}
	}
	if a.err != nil {
		return nil, nil, a.err
	}
	return patch, cleared, b.err
}

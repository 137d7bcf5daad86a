package eventlog

import (
	"bytes"
	"compress/flate"
	"io"
	"math"
)

// A pack is a frame that holds others, compressed: those of one place, so batches that
// follow one another, and marks between them. Its head has the number of the first of
// them, their count, the first index, and the durable index of the last; its records are
// the length of what they inflate to, 4 bytes, and a DEFLATE stream (RFC 1951) of the
// frames as they stand in a segment in the clear, with this segment's salt. The chain
// value is that after the last.

// framePack is the kind of a pack. It stands in segments that were compressed alone.
const framePack uint32 = 4

// maxInflation is more than DEFLATE can do, so a larger length is not believed.
const maxInflation = 1040

// unpacker inflates packs, one after another, in the same memory.
type unpacker struct {
	in    bytes.Reader
	flate io.ReadCloser
	raw   []byte
}

// unpack returns the frames in a pack; problem says why it has none.
func (u *unpacker) unpack(f *frame) (frames []byte, problem string) {
	const broken = "a pack does not inflate"
	if len(f.records) < 4 {
		return nil, broken
	}
	n := int64(le.Uint32(f.records))
	if n > math.MaxInt32 || n > maxInflation*int64(len(f.records)) {
		return nil, "a pack says that it inflates to more than it can"
	}
	if int64(cap(u.raw)) < n {
		u.raw = make([]byte, max(n, placeBytes))
	}
	u.in.Reset(f.records[4:])
	if u.flate == nil {
		u.flate = flate.NewReader(&u.in)
	} else if err := u.flate.(flate.Resetter).Reset(&u.in, nil); err != nil {
		return nil, broken
	}
	if _, err := io.ReadFull(u.flate, u.raw[:n]); err != nil {
		return nil, broken
	}
	if n, err := u.flate.Read(make([]byte, 1)); n != 0 || err != io.EOF || u.in.Len() > 0 {
		return nil, "a pack inflates to more than it says"
	}
	return u.raw[:n], ""
}

// inside is the envelope of the frames in a pack.
func (e *envelope) inside() envelope { return envelope{salt: e.salt} }

// eachPacked calls fn with the frames in a pack, checked. Their size is that of the pack,
// since that is what has to be read for them.
func (e *envelope) eachPacked(pack *frame, u *unpacker, fn func(f *frame) (problem string, err error)) (problem string, err error) {
	b, problem := u.unpack(pack)
	if problem != "" {
		return problem, nil
	}
	inner := e.inside()
	for i := range uint64(pack.count) {
		f, problem := inner.parse(b, nil)
		if problem != "" {
			return problem, nil
		}
		if f.number != pack.number+i || f.kind != frameBatch && f.kind != frameMark {
			return "a pack holds another frame than it says", nil
		}
		b = b[f.size:]
		f.size, f.packed = pack.size, true
		if problem, err := fn(&f); problem != "" || err != nil {
			return problem, err
		}
	}
	if len(b) > 0 || pack.count == 0 {
		return "a pack does not hold as many frames as it says", nil
	}
	return "", nil
}

// packer makes packs.
type packer struct {
	flate *flate.Writer
	out   bytes.Buffer
}

// pack returns a frame that holds frames, which stand one behind another in raw, under
// the envelope inside e. first and last are the first and last of them. ok is false when
// it would not be worth it.
func (p *packer) pack(raw []byte, first, last *frame, count uint32) (f frame, b []byte, ok bool, err error) {
	if len(raw) > math.MaxInt32 {
		return f, nil, false, nil
	}
	p.out.Reset()
	p.out.Write(make([]byte, frameHead)) // a Buffer's writes do not fail
	p.out.Write(le.AppendUint32(nil, uint32(len(raw))))
	if p.flate == nil {
		if p.flate, err = flate.NewWriter(&p.out, flate.BestSpeed); err != nil {
			return f, nil, false, err
		}
	} else {
		p.flate.Reset(&p.out)
	}
	if _, err := p.flate.Write(raw); err != nil {
		return f, nil, false, err
	}
	if err := p.flate.Close(); err != nil {
		return f, nil, false, err
	}
	f = frame{kind: framePack, number: first.number, first: first.first, durable: last.durable, count: count, chain: last.chain}
	return f, p.out.Bytes(), worthIt(int64(p.out.Len()), int64(len(raw))), nil
}

// worthIt says whether compressing to so many bytes spares an eighth.
func worthIt(packed, raw int64) bool { return packed < raw-raw/8 }

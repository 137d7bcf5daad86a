package eventlog

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"
)

// FuzzUnpack: what a pack inflates to is what the standard library makes of it, exactly
// as long as it says, and no more memory is taken than its length allows.
func FuzzUnpack(f *testing.F) {
	e := envelope{salt: 9}
	r := Record{Index: 1, Payload: bytes.Repeat([]byte("abc"), 100)}
	one := build(frame{kind: frameBatch, number: 1, first: 1}, 9, Sum{}, r)
	head, _ := e.parse(one, nil)
	_, b, ok, err := new(packer).pack(one, &head, &head, 1)
	if err != nil || !ok {
		f.Fatal(ok, err)
	}
	f.Add(bytes.Clone(b[frameHead:]))
	f.Add([]byte{})
	f.Add([]byte{255, 255, 255, 127, 0})
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, body []byte) {
		var u unpacker
		got, problem := u.unpack(&frame{records: body})
		if cap(u.raw) > max(placeBytes, maxInflation*len(body)) {
			t.Fatalf("%d bytes were taken for %d", cap(u.raw), len(body))
		}
		if problem != "" {
			return
		}
		want, err := io.ReadAll(flate.NewReader(bytes.NewReader(body[4:])))
		if err != nil || !bytes.Equal(got, want) || len(got) != int(le.Uint32(body)) {
			t.Fatalf("inflates to %x, not %x: %v", got, want, err)
		}
	})
}

// TestPackOfOthers refuses packs whose frames are not those that the head says.
func TestPackOfOthers(t *testing.T) {
	e := envelope{salt: 9}
	r := Record{Index: 1, Payload: bytes.Repeat([]byte("abc"), 100)}
	one := build(frame{kind: frameBatch, number: 5, first: 1}, 9, Sum{}, r)
	cut := build(frame{kind: frameTruncate, number: 5, durable: 0, first: 1}, 9, Sum{})
	for name, c := range map[string]struct {
		raw    []byte
		number uint64
		count  uint32
		fits   bool
	}{
		"as it says":    {one, 5, 1, true},
		"other number":  {one, 6, 1, false},
		"fewer":         {one, 5, 2, false},
		"more":          {append(bytes.Clone(one), one...), 5, 1, false},
		"none":          {nil, 5, 0, false},
		"a truncation":  {cut, 5, 1, false},
		"another salt":  {build(frame{kind: frameBatch, number: 5, first: 1}, 8, Sum{}, r), 5, 1, false},
		"bytes, broken": {append(bytes.Clone(one[:len(one)-1]), 1), 5, 1, false},
	} {
		f := frame{number: c.number, count: c.count}
		_, b, _, err := new(packer).pack(c.raw, &f, &f, c.count)
		if err != nil {
			t.Fatal(err)
		}
		pack := frame{kind: framePack, number: c.number, count: c.count, records: b[frameHead:]}
		seen := 0
		problem, err := e.eachPacked(&pack, new(unpacker), func(*frame) (string, error) { seen++; return "", nil })
		if err != nil || (problem == "") != c.fits {
			t.Errorf("%s: %q, %v, %d frames", name, problem, err, seen)
		}
	}
}

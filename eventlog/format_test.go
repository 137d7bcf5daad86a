package eventlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/disk"
)

// build encodes a frame as Work does.
func build(f frame, salt uint64, before Sum, recs ...Record) []byte {
	b := make([]byte, frameHead)
	for i := range recs {
		b = appendRecord(b, recs[i].Index, &recs[i])
		before = before.chain(&recs[i])
	}
	f.count, f.chain = uint32(len(recs)), before
	_, b, err := (&envelope{salt: salt}).finish(b, &f, nil)
	if err != nil {
		panic(err) // only sealing can fail
	}
	return b
}

// TestGoldenFrame pins the bytes of SPEC.md.
func TestGoldenFrame(t *testing.T) {
	b := build(frame{kind: frameBatch, number: 3, durable: 4, first: 5}, 0x0102030405060708, Sum{}, Record{Index: 5, Term: 2, Time: 7, Kind: 16, Payload: []byte("hello")})
	const want = "4252464c35de0a5726000000010000000300000000000000040000000000000005000000000000000100000028450d64" +
		"05000000dc0586a5050000000000000002000000000000000700000000000000" + "10" + "68656c6c6f" +
		"647fbc7c0df8558c9cf18d97254ef845af73e8ca0b98741111200c6d0e1872c4" + "0000"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBrokenChain holds a log whose checksums all fit and whose chain does not: Open
// trusts the checksums, Verify does not.
func TestBrokenChain(t *testing.T) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("log"); err != nil {
		t.Fatal(err)
	}
	seg, err := (&Log{cfg: Config{FS: fs, Dir: "log"}}).createSegment(segmentHeader{first: 1, frame: 1, salt: 7}, envelope{salt: 7}, 8192)
	if err != nil {
		t.Fatal(err)
	}
	one := build(frame{kind: frameBatch, number: 1, first: 1}, 7, Sum{9}, Record{Index: 1})
	if _, err := seg.file.WriteAt(one, headerSize); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{FS: fs, Dir: "log", Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, err := Verify(Config{FS: fs, Dir: "log"}, nil); !errors.As(err, &corrupt) || !strings.Contains(corrupt.Reason, "chain") || corrupt.Offset != headerSize {
		t.Errorf("%v", err)
	}
}

// TestReservedFieldsAreChecked: flags, reserved bytes and, without a key, those that belong
// to one must be zero, even under
// a checksum that fits, so that a later release may give them a meaning.
func TestReservedFieldsAreChecked(t *testing.T) {
	for _, at := range []int{9, 11, 12, 15, 76, 108, 124, 183, 184, 251, 256, headerSize - 1} {
		h := segmentHeader{first: 1, frame: 1}
		b := h.encode()
		b[at] = 1
		le.PutUint32(b[headerCRC:], checksum(b[:headerCRC]))
		if h.decode(b) == "" {
			t.Errorf("byte %d is not looked at", at)
		}
	}
}

// FuzzFrame gives any bytes valid checksums and parses them. What is accepted encodes to
// the same bytes again, so there is one form of every frame, and no length is believed
// beyond the input.
func FuzzFrame(f *testing.F) {
	f.Add(build(frame{kind: frameBatch, number: 1, first: 1}, 5, Sum{}, Record{Index: 1, Payload: []byte("x")}, Record{Index: 2}), uint64(5))
	f.Add(build(frame{kind: frameMark, number: 2, durable: 2, first: 3}, 5, Sum{}), uint64(5))
	f.Add([]byte("BRFL"), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, salt uint64) {
		b, e := bytes.Clone(b), envelope{salt: salt}
		if len(b) >= frameHead {
			le.PutUint32(b, frameMagic)
			le.PutUint32(b[44:], saltedCRC(salt, b[8:44]))
			if head, problem := e.parseHead(b, int64(len(b))); problem == "" {
				le.PutUint32(b[4:], saltedCRC(salt, b[8:head.size]))
			}
		}
		fr, problem := e.parse(b, nil)
		if problem != "" {
			return
		}
		if fr.size > int64(len(b)) {
			t.Fatalf("size %d of %d bytes", fr.size, len(b))
		}
		again := make([]byte, frameHead)
		problem, err := fr.eachWholeRecord(func(r Record) error {
			again = appendRecord(again, r.Index, &r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if problem != "" {
			again = append(make([]byte, frameHead), fr.records...)
		}
		if _, again, err = e.finish(again, &fr, nil); err != nil || !bytes.Equal(again, b[:fr.size]) {
			t.Fatalf("accepted %x, encodes as %x", b[:fr.size], again)
		}
	})
}

// FuzzSegment damages one place of a segment of three batches. Whatever is found is a
// prefix of what was written, or an error: never another record, never one behind a gap.
func FuzzSegment(f *testing.F) {
	f.Add(uint16(0), []byte{1})
	f.Add(uint16(headerSize+8), []byte{255, 255, 255, 255})
	f.Add(uint16(headerSize+90), make([]byte, 300))
	f.Fuzz(func(t *testing.T, at uint16, patch []byte) {
		var sum Sum
		var data []byte
		h := segmentHeader{first: 1, frame: 1, salt: 77}
		data = h.encode()
		for i := range uint64(3) {
			r := Record{Index: i + 1, Payload: bytes.Repeat([]byte{byte(i)}, int(i)*50)}
			data = append(data, build(frame{kind: frameBatch, number: i + 1, durable: i, first: i + 1}, 77, sum, r)...)
			sum = sum.chain(&r)
		}
		data = append(data, make([]byte, 512)...)
		whole := bytes.Clone(data)
		if int(at) < len(data) {
			copy(data[at:], patch)
		}
		fs := disk.NewSim(1)
		if err := fs.MkdirAll("log"); err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteFileAtomic(fs, "log/"+segmentName(1), data); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Config{FS: fs, Dir: "log", Manual: true, SegmentBytes: 8192})
		if err != nil {
			if bytes.Equal(whole, data) {
				t.Fatal(err)
			}
			return
		}
		n := uint64(0)
		if err := l.Replay(1, func(r Record) error {
			n++
			if r.Index != n || !bytes.Equal(r.Payload, bytes.Repeat([]byte{byte(n - 1)}, int(n-1)*50)) {
				t.Fatalf("record %d is another: %+v", n, r)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n < 3 {
			// cut as torn: only the last batch, or all up to the end, may have been hit
			end := int(at) + len(patch)
			if n < 2 && end < headerSize+int(2*new(envelope).frameSize(recordHead)) {
				t.Fatalf("%d records although the last batch is whole", n)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

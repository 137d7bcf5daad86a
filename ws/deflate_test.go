package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// syncTail is what RFC 7692 §7.2.1 takes off a message.
const syncTail = "\x00\x00\xff\xff"

// standardInflate is the oracle: package compress/flate, with a window before the message.
func standardInflate(window, payload []byte) ([]byte, error) {
	r := flate.NewReaderDict(bytes.NewReader(append(bytes.Clone(payload), syncTail+"\x01\x00\x00\xff\xff"...)), window)
	return io.ReadAll(r)
}

// standardDeflate compresses a message as other libraries do.
func standardDeflate(t testing.TB, window, msg []byte, level int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriterDict(&b, level, window)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(msg)
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(syncTail))
}

// samples are messages of all kinds, from a seed.
func samples(seed uint64, n int) (all [][]byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields(`{"id": "name": null, true false 12345 lorem ipsum dolor the and of }, [ ] é 漢字 \n`)
	sizes := []int{0, 1, 2, 3, 4, 5, 31, 100, 257, 1000, 4096, 8191, 8192, 8193, 40000, 65535, 65536, 70000, 140000}
	for i := range n {
		size := sizes[r.IntN(len(sizes))]
		if i < len(sizes) {
			size = sizes[i]
		}
		var b []byte
		switch r.IntN(5) {
		case 0:
			b = bytes.Repeat([]byte{byte(r.Uint32())}, size)
		case 1:
			for len(b) < size {
				b = append(b, byte(r.Uint32()))
			}
		case 2:
			period := make([]byte, 1+r.IntN(40000))
			for i := range period {
				period[i] = byte(r.Uint32())
			}
			for len(b) < size {
				b = append(b, period...)
			}
		case 3:
			for len(b) < size {
				b = append(b, byte(r.ExpFloat64()*8))
			}
		default:
			for len(b) < size {
				b = append(b, words[r.IntN(len(words))]...)
				b = append(b, ' ')
			}
		}
		all = append(all, b[:size])
	}
	return all
}

func TestDeflateRoundTrip(t *testing.T) {
	z, count := new(deflater), 0
	in := new(inflater)
	for i, msg := range samples(7, 400) {
		bits := 8 + i%8
		var history []byte
		if i%3 == 0 {
			history = slide(nil, samples(uint64(i), 20)[i%20], 1<<bits)
		}
		got := z.message([]byte("front"), history, msg, bits)
		payload := got[len("front"):]
		if over := len(payload) - len(msg) - 6 - 5*(len(msg)/blockTokens+1); over > 0 {
			t.Errorf("message %d: %d bytes became %d", i, len(msg), len(payload))
		}
		back, err := standardInflate(history, payload)
		if err != nil || !bytes.Equal(back, msg) {
			t.Fatalf("message %d of %d bytes, %d bits: the standard library has %d bytes back, %v", i, len(msg), bits, len(back), err)
		}
		in.reset()
		back, err = in.add(bytes.Clone(history), append(bytes.Clone(payload), syncTail...), len(history)+len(msg))
		if err != nil || !in.atEnd() || !bytes.Equal(back[len(history):], msg) {
			t.Fatalf("message %d of %d bytes, %d bits: %d bytes back, %v", i, len(msg), bits, len(back)-len(history), err)
		}
		checkWindow(t, payload, len(history), 1<<bits)
		count++
	}
	t.Logf("%d messages", count)
}

// checkWindow fails when a message refers farther back than a window.
func checkWindow(t *testing.T, payload []byte, history, window int) {
	t.Helper()
	dst, err := new(inflater).add(make([]byte, history), append(bytes.Clone(payload), syncTail...), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	// the same again, with a buffer that forgets: what refers farther is corrupt
	z := new(inflater)
	var out []byte
	buf := bytes.Clone(dst[:min(history, window)])
	for _, b := range append(bytes.Clone(payload), syncTail...) {
		before := len(buf)
		var err error
		if buf, err = z.add(buf, []byte{b}, 1<<30); err != nil {
			t.Fatalf("a window of %d bytes is not enough: %v", window, err)
		}
		out = append(out, buf[before:]...)
		if len(buf) > window+2*maxMatch {
			buf = buf[:copy(buf, buf[len(buf)-window:])]
		}
	}
	if !bytes.Equal(out, dst[history:]) {
		t.Fatalf("a window of %d bytes gives something else", window)
	}
}

// TestInflateEverySplit: the pieces in which data comes make no difference.
func TestInflateEverySplit(t *testing.T) {
	count := 0
	for level := -2; level <= 9; level++ {
		for i, msg := range samples(uint64(level+20), 20) {
			if len(msg) > 9000 {
				continue
			}
			payload := append(standardDeflate(t, nil, msg, level), syncTail...)
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for _, step := range []int{1, 2, 3, 7, 8, 9, 64, len(payload)} {
				z := new(inflater)
				var dst []byte
				var err error
				for rest := payload; len(rest) > 0 && err == nil; {
					n := min(len(rest), step)
					if step == 64 {
						n = min(len(rest), 1+r.IntN(64))
					}
					dst, err = z.add(dst, rest[:n], len(msg))
					rest = rest[n:]
				}
				if err != nil || !z.atEnd() || !bytes.Equal(dst, msg) {
					t.Fatalf("level %d, message %d of %d bytes, steps of %d: %v", level, i, len(msg), step, err)
				}
				count++
			}
		}
	}
	t.Logf("%d streams", count)
}

// TestInflateLimit: not a byte more than the limit is made.
func TestInflateLimit(t *testing.T) {
	for _, level := range []int{0, 1, 9, -2} {
		msg := bytes.Repeat([]byte("abcabcab"), 4000)
		payload := standardDeflate(t, nil, msg, level)
		for _, most := range []int{0, 1, 7, 1000, len(msg) - 1} {
			z := new(inflater)
			dst, err := z.add(nil, payload, most)
			if err != errInflated || len(dst) > most {
				t.Errorf("level %d: %d bytes, %v; the limit is %d", level, len(dst), err, most)
			}
		}
		if _, err := new(inflater).add(nil, payload, len(msg)); err != nil {
			t.Errorf("level %d: %v at the limit itself", level, err)
		}
	}
}

// TestInflateAgainstStandard: mutated streams are refused where compress/flate refuses them,
// and else give the same.
func TestInflateAgainstStandard(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	accepted, refused := 0, 0
	for i, msg := range samples(9, 3000) {
		if len(msg) > 5000 {
			msg = msg[:r.IntN(5000)]
		}
		payload := standardDeflate(t, nil, msg, r.IntN(12)-2)
		for range 1 + r.IntN(3) {
			if len(payload) > 0 {
				payload[r.IntN(len(payload))] ^= 1 << r.IntN(8)
			}
		}
		if compareInflate(t, i, payload) {
			accepted++
		} else {
			refused++
		}
	}
	if accepted == 0 || refused == 0 {
		t.Error("one side only: the test shows nothing")
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
}

// compareInflate holds one stream against the oracle. Where a stream has a final block the
// oracle stops and this package goes on, so then only what stands before is compared.
func compareInflate(t testing.TB, i int, payload []byte) (accepted bool) {
	const most = 1 << 20
	fr := flate.NewReader(bytes.NewReader(payload))
	want, wantErr := io.ReadAll(io.LimitReader(fr, most))
	z := new(inflater)
	got, err := z.add(nil, payload, most)
	if err == errInflated {
		return true
	}
	if wantErr == nil { // a final block
		if !bytes.HasPrefix(got, want) {
			t.Fatalf("stream %d: other bytes before the end: %d, want %d; %v", i, len(got), len(want), err)
		}
		return true
	}
	_, corrupt := wantErr.(flate.CorruptInputError)
	if !corrupt && err == errCorrupt && z.state == atLengths {
		return false // a code without an end of block, which the oracle waits for in vain
	}
	if corrupt != (err == errCorrupt) {
		t.Fatalf("stream %d: %v, want %v; %d bytes of %d", i, err, wantErr, len(got), len(want))
	}
	// The oracle waits for as many bits as the end of the block has before it decodes the
	// symbols that are there, so it may know fewer bytes of a stream that breaks off.
	if !corrupt && (!bytes.HasPrefix(got, want) || len(got)-len(want) > maxCodeLen*maxMatch) {
		t.Fatalf("stream %d: %d bytes, want %d", i, len(got), len(want))
	}
	return !corrupt
}

package crypt_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/lithair/lithair-go/internal/crypt"
)

func sealStream(t testing.TB, keys crypt.KeyProvider, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := crypt.NewStreamWriter(&b, keys, purpose)
	must(t, err)
	for rest := plain; len(rest) > 0; {
		n := min(len(rest), 1+len(plain)/7)
		_, err := w.Write(rest[:n])
		must(t, err)
		rest = rest[n:]
	}
	must(t, w.Close())
	return b.Bytes()
}

// TestStream reads sealed streams from every kind of place, and none that was changed.
func TestStream(t *testing.T) {
	keys := ring(t, text(1))
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000} {
		plain := make([]byte, n)
		for i := range plain {
			plain[i] = byte(rng.Uint32())
		}
		sealed := sealStream(t, keys, plain)
		if is, err := crypt.IsStream(bytes.NewReader(sealed)); err != nil || !is {
			t.Errorf("%d bytes: no stream, %v", n, err)
		}
		r, err := crypt.OpenStream(bytes.NewReader(sealed), int64(len(sealed)), keys, purpose)
		must(t, err)
		if got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
		}
		for range 50 {
			off, k := rng.IntN(n+10), rng.IntN(n+10)
			got := make([]byte, k)
			m, err := r.ReadAt(got, int64(off))
			want := plain[min(off, n):min(off+k, n)]
			if !bytes.Equal(got[:m], want) || (err == io.EOF) != (len(want) < k) || err != nil && err != io.EOF {
				t.Fatalf("%d at %d of %d: %d, %v", k, off, n, m, err)
			}
		}
		for i := 0; i < len(sealed); i += 1 + len(sealed)/150 {
			bad := bytes.Clone(sealed)
			bad[i] ^= 4
			unreadable(t, "a byte turned", bad, keys)
			unreadable(t, "cut", sealed[:i], keys)
		}
		unreadable(t, "longer", append(bytes.Clone(sealed), 0), keys)
	}
	plain := make([]byte, 3*64<<10)
	sealed := sealStream(t, keys, plain)
	const front, chunk = 60, 64<<10 + crypt.Overhead
	unreadable(t, "cut behind a chunk", sealed[:front+chunk], keys)
	swapped := bytes.Clone(sealed)
	copy(swapped[front:], sealed[front+chunk:front+2*chunk])
	copy(swapped[front+chunk:], sealed[front:front+chunk])
	unreadable(t, "chunks changed places", swapped, keys)
	if _, err := crypt.OpenStream(bytes.NewReader(sealed), int64(len(sealed)), ring(t, text(2)), purpose); !errors.Is(err, crypt.ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	if is, err := crypt.IsStream(bytes.NewReader([]byte("LITH"))); is || err != nil {
		t.Errorf("a short file: %v, %v", is, err)
	}
}

func unreadable(t *testing.T, what string, file []byte, keys crypt.KeyProvider) {
	t.Helper()
	r, err := crypt.OpenStream(bytes.NewReader(file), int64(len(file)), keys, purpose)
	if err == nil {
		_, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	}
	if !errors.Is(err, crypt.ErrDamaged) && !errors.Is(err, crypt.ErrWrongKey) && !errors.Is(err, crypt.ErrUnknownKey) {
		t.Fatalf("%s: %v", what, err)
	}
}

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestStreamWriterFails: an error of the writer below stays.
func TestStreamWriterFails(t *testing.T) {
	keys := ring(t, text(1))
	if _, err := crypt.NewStreamWriter(&fullDisk{10}, keys, purpose); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	w, err := crypt.NewStreamWriter(&fullDisk{100_000}, keys, purpose)
	must(t, err)
	if _, err := w.Write(make([]byte, 200_000)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

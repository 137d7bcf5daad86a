package crypt_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/internal/crypt"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text returns a key that differs by seed, in hexadecimal digits.
func text(seed byte) string {
	sum := sha256.Sum256([]byte{seed})
	return hex.EncodeToString(sum[:])
}

func ring(t testing.TB, list string) *crypt.Ring {
	t.Helper()
	r, err := crypt.ParseRing(list)
	must(t, err)
	return r
}

// TestParseKey reads keys in every form, and refuses all else without quoting it.
func TestParseKey(t *testing.T) {
	raw := sha256.Sum256([]byte{9})
	for _, ok := range []string{
		hex.EncodeToString(raw[:]), strings.ToUpper(hex.EncodeToString(raw[:])), " " + hex.EncodeToString(raw[:]) + "\n",
		base64.StdEncoding.EncodeToString(raw[:]), base64.RawStdEncoding.EncodeToString(raw[:]),
		base64.URLEncoding.EncodeToString(raw[:]), base64.RawURLEncoding.EncodeToString(raw[:]),
	} {
		if k, err := crypt.ParseKey(ok); err != nil || k != crypt.Key(raw) {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []struct{ text, want string }{
		{"", "0 bytes"}, {"correct horse battery staple", "neither"}, {text(1)[:62], "31 bytes"}, {text(1) + "00", "33 bytes"},
		{text(1)[:63], "bytes"}, {base64.StdEncoding.EncodeToString(raw[:16]), "16 bytes"}, {strings.Repeat("00", 32), "repeated"},
		{strings.Repeat("61", 32), "repeated"},
	} {
		_, err := crypt.ParseKey(bad.text)
		if !errors.Is(err, crypt.ErrKeyFormat) || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%q: %v", bad.text, err)
		}
		if len(bad.text) > 8 && err != nil && strings.Contains(err.Error(), bad.text[:8]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

// TestKeyHidesItself in every way of printing that a log may take.
func TestKeyHidesItself(t *testing.T) {
	k, err := crypt.ParseKey(text(1))
	must(t, err)
	j, err := json.Marshal(k)
	must(t, err)
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%x %v %+v %#v %s %q %d", k, k, k, k, k, k, k), fmt.Sprintf("%v", []crypt.Key{k}), string(j)} {
		if strings.Contains(s, text(1)[:6]) || strings.Contains(s, fmt.Sprint(k[0], " ", k[1])) || !strings.Contains(s, "hidden") {
			t.Errorf("it prints: %s", s)
		}
	}
}

// TestParseRing reads lists of keys.
func TestParseRing(t *testing.T) {
	for _, c := range []struct {
		list    string
		current uint32
		ids     []uint32
	}{
		{text(1), 1, []uint32{1}},
		{"7:" + text(1), 7, []uint32{7}},
		{"1:" + text(1) + ",2:" + text(2), 2, []uint32{1, 2}},
		{"# old\n2:" + text(2) + "\n\n# newer, and the current one\n 1 : " + text(1) + " \n", 1, []uint32{1, 2}},
	} {
		r, err := crypt.ParseRing(c.list)
		if err != nil {
			t.Errorf("%q: %v", c.list, err)
			continue
		}
		id, key, err := r.Current()
		if again, _ := r.Key(id); err != nil || id != c.current || again != key {
			t.Errorf("%q: current %d, want %d", c.list, id, c.current)
		}
		for _, id := range c.ids {
			if _, err := r.Key(id); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.Key(99); !errors.Is(err, crypt.ErrUnknownKey) || !strings.Contains(err.Error(), "99") {
			t.Errorf("unknown: %v", err)
		}
	}
	for _, bad := range []string{
		"", "\n# nothing\n", "0:" + text(1), "-1:" + text(1), "x:" + text(1), "4294967296:" + text(1), ":" + text(1),
		"1:" + text(1) + ",1:" + text(2), text(1) + "," + text(2), "1:" + text(1) + ",2:short",
	} {
		if _, err := crypt.ParseRing(bad); !errors.Is(err, crypt.ErrKeyFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestProviders: the file and the environment are read anew, so that a key is changed
// while everything runs.
func TestProviders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	t.Setenv("LITHAIR_TEST_KEYS", "1:"+text(1))
	must(t, os.WriteFile(path, []byte("1:"+text(1)+"\n"), 0o600))
	fixed := ring(t, "1:"+text(1)+",2:"+text(2))
	back := crypt.Callback{CurrentFunc: fixed.Current, KeyFunc: fixed.Key}
	for name, p := range map[string]crypt.KeyProvider{"file": crypt.File(path), "environment": crypt.Env("LITHAIR_TEST_KEYS")} {
		id, first, err := p.Current()
		if err != nil || id != 1 {
			t.Fatalf("%s: %d, %v", name, id, err)
		}
		if _, err := p.Key(2); !errors.Is(err, crypt.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, os.WriteFile(path, []byte("1:"+text(1)+"\n2:"+text(2)), 0o600))
		t.Setenv("LITHAIR_TEST_KEYS", "1:"+text(1)+",2:"+text(2))
		id, key, err := p.Current()
		if want, _ := back.Key(2); err != nil || id != 2 || key != want {
			t.Errorf("%s, rotated: %d, %v", name, id, err)
		}
		if old, err := p.Key(1); err != nil || old != first {
			t.Errorf("%s: the first key is gone: %v", name, err)
		}
		must(t, os.WriteFile(path, []byte("1:"+text(1)+"\n"), 0o600))
		t.Setenv("LITHAIR_TEST_KEYS", "1:"+text(1))
	}
	if id, _, err := back.Current(); err != nil || id != 2 {
		t.Errorf("callback: %d, %v", id, err)
	}

	t.Setenv("LITHAIR_TEST_BAD", "1:tooshort")
	must(t, os.WriteFile(path, make([]byte, crypt.MaxKeyFileBytes+1), 0o600))
	for name, c := range map[string]struct {
		p    crypt.KeyProvider
		want error
		says string
	}{
		"no file":     {crypt.File(path + ".gone"), os.ErrNotExist, "keys.gone"},
		"large file":  {crypt.File(path), crypt.ErrKeyFormat, "65536"},
		"no variable": {crypt.Env("LITHAIR_TEST_UNSET"), crypt.ErrNoKeys, "LITHAIR_TEST_UNSET"},
		"no key":      {crypt.Env("LITHAIR_TEST_BAD"), crypt.ErrKeyFormat, "entry 1"},
	} {
		_, _, err := c.p.Current()
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.p.Key(1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const purpose = "test"

func pair(t testing.TB, keys crypt.KeyProvider) (*crypt.Sealer, *crypt.Opener) {
	t.Helper()
	s, err := crypt.NewSealer(keys, purpose, nil)
	must(t, err)
	h, err := crypt.ParseHeader(s.Header().Append(nil))
	must(t, err)
	if h != s.Header() {
		t.Fatal("the header changes on its way")
	}
	o, err := crypt.NewOpener(keys, purpose, h)
	must(t, err)
	return s, o
}

// TestSealAgainstTheStandard computes a sealed block from RFC 5869 and AES-GCM as the
// documentation says, with an HKDF written here.
func TestSealAgainstTheStandard(t *testing.T) {
	keys := ring(t, "5:"+text(5))
	salt := bytes.Repeat([]byte{0xAB, 0x01}, 16)
	s, err := crypt.NewSealer(keys, purpose, bytes.NewReader(salt))
	must(t, err)
	_, key, err := keys.Current()
	must(t, err)

	extract := hmac.New(sha256.New, salt)
	extract.Write(key[:])
	prk := extract.Sum(nil)
	var okm, last []byte
	for i := byte(1); len(okm) < 48; i++ {
		expand := hmac.New(sha256.New, prk)
		expand.Write(last)
		expand.Write([]byte("lithair file key and check value: " + purpose))
		expand.Write([]byte{i})
		last = expand.Sum(nil)
		okm = append(okm, last...)
	}
	block, err := aes.NewCipher(okm[:32])
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	must(t, err)
	if h := s.Header(); !bytes.Equal(h.Check[:], okm[32:48]) || !bytes.Equal(h.Salt[:], salt) || h.KeyID != 5 {
		t.Errorf("header %+v", h)
	}
	for n := byte(1); n < 4; n++ {
		nonce := []byte{n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		want := gcm.Seal(bytes.Clone(nonce), nonce, []byte("plain"), []byte("place"))
		got, err := s.Seal(nil, []byte("plain"), []byte("place"))
		if err != nil || !bytes.Equal(got, want) || crypt.Counter(got) != uint64(n) {
			t.Errorf("block %d: %x, want %x, %v", n, got, want, err)
		}
	}
}

// TestSealOpen opens what was sealed, and nothing that differs from it by a bit, in place
// or otherwise.
func TestSealOpen(t *testing.T) {
	s, o := pair(t, ring(t, text(1)))
	for _, n := range []int{0, 1, 16, 1000} {
		plain := bytes.Repeat([]byte("x"), n)
		sealed, err := s.Seal([]byte("before"), plain, []byte("place"))
		must(t, err)
		if sealed = sealed[len("before"):]; len(sealed) != n+crypt.Overhead {
			t.Fatalf("%d bytes sealed to %d", n, len(sealed))
		}
		if got, err := o.Open([]byte("b"), sealed, []byte("place")); err != nil || string(got) != "b"+string(plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1 << (i % 8)
			if got, err := o.Open([]byte("b"), bad, []byte("place")); !errors.Is(err, crypt.ErrDamaged) || string(got) != "b" {
				t.Fatalf("%d bytes, byte %d turned: %v", n, i, err)
			}
		}
		for cut := range sealed {
			if _, err := o.Open(nil, sealed[:cut], []byte("place")); !errors.Is(err, crypt.ErrDamaged) {
				t.Fatalf("%d bytes, cut to %d: %v", n, cut, err)
			}
		}
		if _, err := o.Open(nil, sealed, []byte("palace")); !errors.Is(err, crypt.ErrDamaged) {
			t.Errorf("another place: %v", err)
		}

		buf := append(make([]byte, crypt.NonceSize), plain...)
		buf, err = s.Seal(buf[:0], buf[crypt.NonceSize:], nil) // in place
		must(t, err)
		if got, err := o.Open(buf[crypt.NonceSize:crypt.NonceSize], buf, nil); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("in place: %v", err)
		}
	}
}

// TestNonceIsNeverUsedTwice: counters of a file differ although many seal at once, and two
// files under one key have nothing in common, not even for the same block at the same
// counter.
func TestNonceIsNeverUsedTwice(t *testing.T) {
	keys := ring(t, text(1))
	s, _ := pair(t, keys)
	var mu sync.Mutex
	var all sync.WaitGroup
	seen := map[uint64]bool{}
	for range 8 {
		all.Go(func() {
			for range 500 {
				b, err := s.Seal(nil, nil, nil)
				mu.Lock()
				if n := crypt.Counter(b); err != nil || n == 0 || seen[n] {
					t.Errorf("counter %d: %v", n, err)
				}
				seen[crypt.Counter(b)] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(seen) != 4000 {
		t.Errorf("%d counters of 4000", len(seen))
	}
	a, _ := pair(t, keys)
	b, o := pair(t, keys)
	if a.Header().Salt == b.Header().Salt {
		t.Error("two files have one salt")
	}
	one, err := a.Seal(nil, make([]byte, 64), nil)
	must(t, err)
	two, err := b.Seal(nil, make([]byte, 64), nil)
	must(t, err)
	if bytes.Equal(one[crypt.NonceSize:], two[crypt.NonceSize:]) {
		t.Error("two files seal alike")
	}
	if _, err := o.Open(nil, one, nil); !errors.Is(err, crypt.ErrDamaged) {
		t.Errorf("a block of another file opens: %v", err)
	}
}

// TestWrongKey: every way not to have the key is told from damage.
func TestWrongKey(t *testing.T) {
	s, _ := pair(t, ring(t, "1:"+text(1)))
	h := s.Header()
	damaged := h
	damaged.Salt[3]++
	for name, c := range map[string]struct {
		keys    crypt.KeyProvider
		purpose string
		h       crypt.Header
		want    error
	}{
		"another key under its number": {ring(t, "1:"+text(2)), purpose, h, crypt.ErrWrongKey},
		"number unknown":               {ring(t, "2:"+text(1)), purpose, h, crypt.ErrUnknownKey},
		"no provider":                  {nil, purpose, h, crypt.ErrNoKeys},
		"another purpose":              {ring(t, "1:"+text(1)), "other", h, crypt.ErrWrongKey},
		"damaged salt":                 {ring(t, "1:"+text(1)), purpose, damaged, crypt.ErrWrongKey},
	} {
		if _, err := crypt.NewOpener(c.keys, c.purpose, c.h); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := crypt.NewSealer(nil, purpose, nil); !errors.Is(err, crypt.ErrNoKeys) {
		t.Errorf("sealer: %v", err)
	}
	zero := crypt.Callback{CurrentFunc: func() (uint32, crypt.Key, error) { return 0, crypt.Key{}, nil }}
	if _, err := crypt.NewSealer(zero, purpose, nil); !errors.Is(err, crypt.ErrUnknownKey) {
		t.Errorf("key number 0: %v", err)
	}
	if _, err := crypt.NewSealer(ring(t, text(1)), purpose, strings.NewReader("short")); err == nil {
		t.Error("a sealer without a salt")
	}
	for _, b := range [][]byte{nil, make([]byte, crypt.HeaderSize), make([]byte, crypt.HeaderSize+1), s.Header().Append(nil)[:51]} {
		if _, err := crypt.ParseHeader(b); !errors.Is(err, crypt.ErrHeader) {
			t.Errorf("header of %d bytes: %v", len(b), err)
		}
	}
}

// TestAllocs: blocks are sealed and opened without allocating.
func TestAllocs(t *testing.T) {
	s, o := pair(t, ring(t, text(1)))
	plain, buf, out := make([]byte, 4096), make([]byte, 0, 8192), make([]byte, 0, 8192)
	place := []byte("place")
	n := testing.AllocsPerRun(100, func() {
		b, err := s.Seal(buf, plain, place)
		if err == nil {
			_, err = o.Open(out, b, place)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzOpen: whatever opens was sealed here, and is what went in.
func FuzzOpen(f *testing.F) {
	r, err := crypt.ParseRing("3:" + text(3))
	if err != nil {
		f.Fatal(err)
	}
	salt := bytes.Repeat([]byte{1, 2, 3, 4}, 8)
	s, err := crypt.NewSealer(r, purpose, bytes.NewReader(salt))
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := s.Seal(nil, []byte("the only block"), []byte("here"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Header().Append(nil), sealed, []byte("here"))
	f.Add(s.Header().Append(nil), sealed[1:], []byte("here"))
	f.Add([]byte("short"), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, header, block, place []byte) {
		h, err := crypt.ParseHeader(header)
		if err != nil {
			return
		}
		o, err := crypt.NewOpener(r, purpose, h)
		if err != nil {
			return
		}
		plain, err := o.Open(nil, block, place)
		if err == nil && (string(plain) != "the only block" || string(place) != "here" || !bytes.Equal(block, sealed)) {
			t.Errorf("%x opens as %q", block, plain)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	s, _ := pair(b, ring(b, text(1)))
	plain, buf := make([]byte, 16<<10), make([]byte, 0, 32<<10)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(buf, plain, nil); err != nil {
			b.Fatal(err)
		}
	}
}

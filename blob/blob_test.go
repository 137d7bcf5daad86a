package blob_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func ring(t *testing.T) crypt.KeyProvider {
	r, err := crypt.ParseRing(strings.Repeat("1a2b", 16))
	must(t, err)
	return r
}

// TestStore puts, opens and finds files again, sealed and not, on both disks.
func TestStore(t *testing.T) {
	for name, cfg := range map[string]blob.Config{
		"simulated": {Dir: "blobs", FS: disk.NewSim(1)}, "real": {Dir: t.TempDir() + "/blobs"}, "sealed": {Dir: "blobs", FS: disk.NewSim(1), Keys: ring(t)},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := blob.Open(cfg)
			must(t, err)
			contents := [][]byte{nil, []byte("hello"), bytes.Repeat([]byte("0123456789"), 30_000)}
			for _, c := range contents {
				for range 2 {
					ref, err := s.Put(bytes.NewReader(c))
					if err != nil || ref.Hash != hashOf(c) || ref.Size != int64(len(c)) {
						t.Fatalf("%+v, %v", ref, err)
					}
				}
			}
			again, err := blob.Open(cfg)
			must(t, err)
			for _, s := range []*blob.Store{s, again} {
				if s.Len() != len(contents) {
					t.Errorf("%d files", s.Len())
				}
				for _, c := range contents {
					if size, ok := s.Use(hashOf(c)); !ok || size != int64(len(c)) {
						t.Errorf("%d bytes: %d, %v", len(c), size, ok)
					}
					f, err := s.Open(hashOf(c))
					must(t, err)
					got, err := io.ReadAll(f)
					if err != nil || !bytes.Equal(got, c) {
						t.Errorf("%d bytes came back as %d, %v", len(c), len(got), err)
					}
					must(t, f.Close())
					must(t, s.Verify(hashOf(c)))
				}
				for _, bad := range []string{"", "../../etc/passwd", strings.Repeat("0", 64), strings.ToUpper(hashOf(nil))} {
					if _, err := s.Open(bad); !errors.Is(err, blob.ErrNotFound) {
						t.Errorf("%q: %v", bad, err)
					}
					if _, ok := s.Use(bad); ok {
						t.Errorf("%q is there", bad)
					}
				}
			}
		})
	}
}

// TestPutHeals: a file that has rotted is whole again when its bytes come once more.
func TestPutHeals(t *testing.T) {
	sim := disk.NewSim(1)
	s, err := blob.Open(blob.Config{Dir: "blobs", FS: sim})
	must(t, err)
	content := bytes.Repeat([]byte("0123456789"), 1000)
	hash := hashOf(content)
	for range 2 {
		ref, err := s.Put(bytes.NewReader(content))
		must(t, err)
		must(t, s.Verify(ref.Hash))
		must(t, sim.Flip("blobs/"+hash[:2]+"/"+hash, 8*5000))
		if err := s.Verify(ref.Hash); err == nil {
			t.Fatal("the file was not damaged")
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// TestPutFails leaves nothing behind.
func TestPutFails(t *testing.T) {
	sim := disk.NewSim(1)
	s, err := blob.Open(blob.Config{Dir: "blobs", FS: sim, MaxBytes: 100})
	must(t, err)
	var large *blob.TooLargeError
	if _, err := s.Put(bytes.NewReader(make([]byte, 101))); !errors.As(err, &large) || large.Limit != 100 {
		t.Errorf("too large: %v", err)
	}
	if _, err := s.Put(bytes.NewReader(make([]byte, 100))); err != nil {
		t.Errorf("just not too large: %v", err)
	}
	if _, err := s.Put(io.MultiReader(strings.NewReader("abc"), broken{})); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a reader that fails: %v", err)
	}
	if files := sim.Files(); len(files) != 1 || s.Len() != 1 {
		t.Errorf("left: %v", files)
	}
	if _, err := blob.Open(blob.Config{}); err == nil {
		t.Error("no directory")
	}
}

// TestCrash ends the power at every call: what Put has acknowledged is there, whole; what
// it has not is whole or not there.
func TestCrash(t *testing.T) {
	contents := [][]byte{[]byte("one"), bytes.Repeat([]byte("two"), 5000), []byte("three")}
	points := 0
	for n := 0; ; n++ {
		sim := disk.NewSim(uint64(n))
		count := 0
		sim.Hook(func(disk.Op, string) error {
			if count++; count > n {
				return disk.ErrPower
			}
			return nil
		})
		acknowledged := map[string]bool{}
		s, err := blob.Open(blob.Config{Dir: "blobs", FS: sim})
		for _, c := range contents {
			if err == nil {
				var ref blob.Ref
				if ref, err = s.Put(bytes.NewReader(c)); err == nil {
					acknowledged[ref.Hash] = true
				}
			}
		}
		if err == nil {
			break
		}
		points++
		for seed := range uint64(6) {
			after := sim.Crash(seed)
			s, err := blob.Open(blob.Config{Dir: "blobs", FS: after})
			must(t, err)
			for h := range acknowledged {
				if _, ok := s.Use(h); !ok {
					t.Fatalf("power off at call %d, seed %d: an acknowledged file is gone", n, seed)
				}
			}
			for _, h := range s.Hashes() {
				if err := s.Verify(h); err != nil {
					t.Fatalf("power off at call %d, seed %d: %v", n, seed, err)
				}
			}
			for _, name := range after.Files() {
				if strings.HasSuffix(name, ".tmp") {
					t.Fatalf("power off at call %d, seed %d: %s is left", n, seed, name)
				}
			}
		}
	}
	if points < 15 {
		t.Errorf("%d points only", points)
	}
}

// TestCollect removes what nothing names, nobody used and is old enough, and nothing else.
func TestCollect(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, err := blob.Open(blob.Config{Dir: "blobs", FS: disk.NewSim(1), Clock: func() time.Time { return now }})
	must(t, err)
	put := func(text string) string {
		ref, err := s.Put(strings.NewReader(text))
		must(t, err)
		return ref.Hash
	}
	unnamed, named, used, raced := put("unnamed"), put("named"), put("used"), put("raced")
	collect := func() int {
		n, err := s.Collect(time.Hour, func(unused map[string]bool) error {
			blob.Named([]byte("x\x40"+named+"0123"), unused)
			s.Use(raced) // somebody names it while we look
			return nil
		})
		must(t, err)
		return n
	}
	if n := collect(); n != 0 {
		t.Errorf("%d removed at once", n)
	}
	now = now.Add(2 * time.Hour)
	young := put("young")
	s.Use(used)
	failed := errors.New("failed")
	if n, err := s.Collect(time.Hour, func(map[string]bool) error { return failed }); n != 0 || !errors.Is(err, failed) {
		t.Errorf("%d, %v", n, err)
	}
	if n := collect(); n != 1 {
		t.Errorf("%d removed", n)
	}
	for h, there := range map[string]bool{unnamed: false, named: true, used: true, raced: true, young: true} {
		if _, ok := s.Use(h); ok != there {
			t.Errorf("%s: %v", h, ok)
		}
	}
}

// TestNamed holds the search against a regular expression that looks at every byte.
func TestNamed(t *testing.T) {
	slow := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for i := range 2000 {
		var r [4]byte
		_, err := rand.Read(r[:])
		must(t, err)
		b := bytes.Repeat([]byte{'a'}, int(r[0]))
		for j := 0; j < len(b); j += 1 + int(r[1]%90) {
			b[j] = "z0g9"[j%4]
		}
		h := strings.Repeat(fmt.Sprintf("%08x", i), 8)
		at := int(r[2]) % (len(b) + 1)
		b = append(b[:at:at], append([]byte(h), b[at:]...)...)
		set := map[string]bool{hashOf(b): true}
		for i := 0; i+64 <= len(b); i++ {
			if slow.Match(b[i : i+64]) {
				set[string(b[i:i+64])] = true
			}
		}
		if blob.Named(b, set); len(set) != 1 || !set[hashOf(b)] {
			t.Fatalf("%q: %d are left of those that stand in it", b, len(set)-1)
		}
	}
}

// TestTogether puts the same and other files from many goroutines.
func TestTogether(t *testing.T) {
	s, err := blob.Open(blob.Config{Dir: t.TempDir()})
	must(t, err)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 10 {
				c := fmt.Appendf(nil, "content %d", (i+j)%12)
				ref, err := s.Put(bytes.NewReader(c))
				if err != nil || s.Verify(ref.Hash) != nil {
					t.Errorf("%v", err)
				}
				if _, err := s.Collect(time.Hour, func(map[string]bool) error { return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s.Len() != 12 {
		t.Errorf("%d files", s.Len())
	}
}

package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/lithair/lithair-go/internal/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestBothDisks runs one story on the real disk and on the simulated one.
func TestBothDisks(t *testing.T) {
	for name, fs := range map[string]disk.FS{"real": disk.Real(), "sim": disk.NewSim(1)} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			must(t, fs.MkdirAll(dir))
			must(t, fs.MkdirAll(dir))
			file := filepath.Join(dir, "f")
			if _, err := fs.Open(file, disk.ReadOnly); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("read only, absent: %v", err)
			}
			if _, err := fs.Open(file, disk.ReadWrite); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("read and write, absent: %v", err)
			}
			f, err := fs.Open(file, disk.Exclusive)
			must(t, err)
			if _, err := fs.Open(file, disk.Exclusive); !errors.Is(err, os.ErrExist) {
				t.Errorf("exclusive, present: %v", err)
			}
			must(t, f.Allocate(0, 1000))
			if n, err := f.WriteAt([]byte("hello"), 10); n != 5 || err != nil {
				t.Errorf("write: %d, %v", n, err)
			}
			if n, err := f.Size(); n != 1000 || err != nil {
				t.Errorf("size %d, %v", n, err)
			}
			must(t, f.Truncate(12))
			must(t, f.Truncate(14))
			must(t, f.Sync())
			must(t, f.Close())
			b, err := disk.ReadFile(fs, file)
			if want := append(make([]byte, 10), "he\x00\x00"...); err != nil || !bytes.Equal(b, want) {
				t.Errorf("%q, %v", b, err)
			}
			must(t, fs.Rename(file, file+"2"))
			must(t, disk.WriteFileAtomic(fs, file, []byte("x")))
			must(t, disk.WriteFileAtomic(fs, file, []byte("yy")))
			must(t, fs.SyncDir(dir))
			names, err := fs.List(dir)
			if err != nil || !slices.Equal(names, []string{"f", "f2"}) {
				t.Errorf("%v, %v", names, err)
			}
			lock, err := fs.Lock(filepath.Join(dir, "LOCK"))
			must(t, err)
			var locked *disk.LockedError
			if _, err := fs.Lock(filepath.Join(dir, "LOCK")); !errors.As(err, &locked) {
				t.Errorf("locked twice: %v", err)
			}
			must(t, lock.Close())
			lock, err = fs.Lock(filepath.Join(dir, "LOCK"))
			must(t, err)
			must(t, lock.Close())
			must(t, fs.Remove(file))
			if err := fs.Remove(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("removed twice: %v", err)
			}
			if _, err := fs.List(file); err == nil {
				t.Error("a listing of nothing")
			}
			if err := fs.MkdirAll(file + "2"); err == nil {
				t.Error("a directory over a file")
			}
		})
	}
}

// TestCrashKeeping reaches every subset of two unsynced writes and no other content.
func TestCrashKeeping(t *testing.T) {
	fs := disk.NewSim(1)
	f, err := fs.Open("f", disk.Create)
	must(t, err)
	_, err = f.WriteAt([]byte("...."), 0)
	must(t, err)
	must(t, f.Sync())
	must(t, fs.SyncDir("."))
	for i, s := range []string{"ab", "cd"} {
		_, err = f.WriteAt([]byte(s), int64(2*i))
		must(t, err)
	}
	if n := fs.Pending(); n != 2 {
		t.Fatalf("%d pending", n)
	}
	for keep, want := range []string{"....", "ab..", "..cd", "abcd"} {
		got, err := disk.ReadFile(fs.CrashKeeping(uint64(keep)), "f")
		if err != nil || string(got) != want {
			t.Errorf("subset %d: %q, %v, want %q", keep, got, err, want)
		}
	}
	seen := map[string]bool{}
	for seed := range uint64(3000) {
		b, err := disk.ReadFile(fs.Crash(seed), "f")
		must(t, err)
		seen[string(b)] = true
	}
	for _, want := range []string{"....", "ab..", "..cd", "abcd", "a...", "..c."} {
		if !seen[want] {
			t.Errorf("3000 crashes never left %q", want)
		}
	}
}

// TestNamesNeedSyncDir: a name not synced may be gone, a synced one never.
func TestNamesNeedSyncDir(t *testing.T) {
	fs := disk.NewSim(1)
	f, err := fs.Open("f", disk.Create)
	must(t, err)
	must(t, f.Sync())
	gone, kept := 0, 0
	for seed := range uint64(50) {
		if len(fs.Crash(seed).Files()) == 0 {
			gone++
		} else {
			kept++
		}
	}
	if gone == 0 || kept == 0 {
		t.Errorf("gone %d times, kept %d", gone, kept)
	}
	must(t, fs.SyncDir("."))
	for seed := range uint64(50) {
		if len(fs.Crash(seed).Files()) != 1 {
			t.Fatal("a synced name is gone")
		}
	}
}

// TestFailedSync: what a failed sync dropped can be read, and no later sync saves it.
func TestFailedSync(t *testing.T) {
	fs := disk.NewSim(1)
	must(t, disk.WriteFileAtomic(fs, "f", []byte("old")))
	f, err := fs.Open("f", disk.ReadWrite)
	must(t, err)
	_, err = f.WriteAt([]byte("new"), 0)
	must(t, err)
	fs.Hook(func(op disk.Op, _ string) error {
		if op == disk.OpSync {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	fs.Hook(nil)
	must(t, f.Sync())
	if b, _ := disk.ReadFile(fs, "f"); string(b) != "new" {
		t.Errorf("read back: %q", b)
	}
	if b, _ := disk.ReadFile(fs.Crash(1), "f"); string(b) != "old" {
		t.Errorf("after the crash: %q", b)
	}
}

// TestKill: the next process reads everything, and nothing became durable by it.
func TestKill(t *testing.T) {
	fs := disk.NewSim(1)
	f, err := fs.Open("f", disk.Create)
	must(t, err)
	_, err = fs.Lock("LOCK")
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, err)
	next := fs.Kill()
	if _, err := f.WriteAt([]byte("y"), 0); !errors.Is(err, disk.ErrPower) {
		t.Errorf("a killed process writes: %v", err)
	}
	if b, err := disk.ReadFile(next, "f"); string(b) != "x" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := next.Lock("LOCK"); err != nil {
		t.Errorf("the lock outlived its process: %v", err)
	}
	if next.Pending() != fs.Pending() {
		t.Error("the kill made something durable")
	}
}

// TestCapacity: a write is cut where the room ends, and a freed byte can be used again.
func TestCapacity(t *testing.T) {
	fs := disk.NewSim(1)
	fs.SetCapacity(5)
	f, err := fs.Open("f", disk.Create)
	must(t, err)
	n, err := f.WriteAt([]byte("12345678"), 0)
	if n != 5 || !disk.IsFull(err) {
		t.Errorf("%d, %v", n, err)
	}
	if free, _ := fs.Free("."); free != 0 {
		t.Errorf("%d free", free)
	}
	if err := f.Allocate(0, 6); !disk.IsFull(err) {
		t.Errorf("allocate: %v", err)
	}
	must(t, f.Truncate(2))
	if n, err := f.WriteAt([]byte("345"), 2); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if disk.IsFull(syscall.EIO) || !disk.IsFull(fmt.Errorf("w: %w", syscall.EDQUOT)) {
		t.Error("IsFull")
	}
}

// TestWriteFileAtomic crashes at every call: the old content or the new, never a mix.
func TestWriteFileAtomic(t *testing.T) {
	points := 0
	for n := 1; ; n++ {
		fs := disk.NewSim(1)
		must(t, disk.WriteFileAtomic(fs, "f", bytes.Repeat([]byte("o"), 2000)))
		calls := 0
		fs.Hook(func(disk.Op, string) error {
			if calls++; calls == n {
				return disk.ErrPower
			}
			return nil
		})
		err := disk.WriteFileAtomic(fs, "f", bytes.Repeat([]byte("n"), 3000))
		for seed := range uint64(40) {
			points++
			b, readErr := disk.ReadFile(fs.Crash(seed), "f")
			must(t, readErr)
			switch string(b) {
			case string(bytes.Repeat([]byte("n"), 3000)):
			case string(bytes.Repeat([]byte("o"), 2000)):
				if err == nil {
					t.Fatal("acknowledged, and the old content is back")
				}
			default:
				t.Fatalf("call %d, seed %d: a mix of %d bytes", n, seed, len(b))
			}
		}
		if err == nil {
			break
		}
	}
	t.Logf("%d crashes", points)
}

// TestWritten: behind what was written stands nothing but zeros, whatever the file system
// knows of it.
func TestWritten(t *testing.T) {
	const size = 8 << 20
	f, err := disk.Real().Open(filepath.Join(t.TempDir(), "f"), disk.Create)
	must(t, err)
	defer f.Close()
	check := func(last int64) {
		t.Helper()
		end, err := f.(disk.Sparse).Written()
		if err != nil || end <= last || end > size {
			t.Fatalf("written up to %d (%v), though something stands at %d", end, err, last)
		}
		t.Logf("written up to %d of %d", end, size)
		b := make([]byte, size-end)
		if n, err := f.ReadAt(b, end); n < len(b) || bytes.ContainsFunc(b, func(r rune) bool { return r != 0 }) {
			t.Errorf("behind %d: %v, or not only zeros", end, err)
		}
	}
	must(t, f.Allocate(0, size))
	for _, off := range []int64{0, 100, 1 << 20, 5<<20 + 300, 3 << 20, size - 1} {
		_, err := f.WriteAt([]byte("x"), off)
		must(t, err)
		check(off)
	}
	must(t, f.Truncate(0))
	if end, err := f.(disk.Sparse).Written(); err != nil || end != 0 {
		t.Errorf("an empty file: %d, %v", end, err)
	}
}

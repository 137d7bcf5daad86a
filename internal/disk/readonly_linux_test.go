package disk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestLockOnAReadOnlyFileSystem: what is mounted read only can be looked at, unless somebody has it locked by another mount.
func TestLockOnAReadOnlyFileSystem(t *testing.T) {
	dir, copy := t.TempDir(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "LOCK"), []byte("1\n"), 0o600))
	if err := syscall.Mount(dir, copy, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("NOT CHECKED: nothing can be mounted here (root may): %v", err)
	}
	t.Cleanup(func() { must(syscall.Unmount(copy, 0)) })
	must(syscall.Mount("", copy, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	if err := os.WriteFile(filepath.Join(copy, "x"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("it is not read only: %v", err)
	}
	fs := Real()
	held, err := fs.Lock(filepath.Join(dir, "LOCK"))
	must(err)
	var locked *LockedError
	if _, err := fs.Lock(filepath.Join(copy, "LOCK")); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("locked by another mount: %v", err)
	}
	must(held.Close())
	for _, name := range []string{"LOCK", "none"} {
		lock, err := fs.Lock(filepath.Join(copy, name))
		must(err)
		must(lock.Close())
	}
	if b, err := os.ReadFile(filepath.Join(dir, "LOCK")); err != nil || len(b) == 0 {
		t.Errorf("the file was changed: %q %v", b, err)
	}
}

package wire

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestListenUnixMode(t *testing.T) {
	for _, c := range []struct{ mode, want fs.FileMode }{{0, 0o600}, {0o660, 0o660}, {0o666, 0o666}} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := ListenUnix(path, c.mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != c.want {
			t.Errorf("mode %v: %v, %v", c.mode, info.Mode(), err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close: %v", err)
		}
	}
	for _, bad := range []struct {
		path string
		mode fs.FileMode
	}{{"", 0}, {"x", fs.ModeSetuid | 0o600}, {t.TempDir() + "/none/s", 0}} {
		if _, err := ListenUnix(bad.path, bad.mode); err == nil {
			t.Errorf("%q, %v was taken", bad.path, bad.mode)
		}
	}
}

// stale leaves a socket behind as a killed process does.
func stale(t testing.TB, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListenUnixStaleSockets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	stale(t, path)
	l, err := ListenUnix(path, 0)
	if err != nil {
		t.Fatalf("on a stale socket: %v", err)
	}
	go func() { // somebody who accepts, as nobodyListens connects
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc.Close()
		}
	}()
	if _, err := ListenUnix(path, 0); !errors.Is(err, ErrSocketInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("on a socket in use: %v", err)
	}
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Errorf("the socket in use does not work any more: %v", err)
	} else {
		nc.Close()
	}
	l.Close()
	for name, make := range map[string]func(string) error{
		"file":   func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"link":   func(p string) error { return os.Symlink(filepath.Join(dir, "s"), p) },
	} {
		p := filepath.Join(dir, name)
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if _, err := ListenUnix(p, 0); err == nil || !strings.Contains(err.Error(), "is no socket") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(p); err != nil {
			t.Errorf("%s was removed", name)
		}
	}
}

// TestListenUnixRace starts several at once on a stale socket: one of them listens, and
// whoever connects reaches it.
func TestListenUnixRace(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere nothing keeps two apart")
	}
	path := filepath.Join(t.TempDir(), "s")
	for range 50 {
		stale(t, path)
		var mu sync.Mutex
		var won []*net.UnixListener
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if l, err := ListenUnix(path, 0); err == nil {
					mu.Lock()
					won = append(won, l)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d listen", len(won))
		}
		won[0].Close()
	}
}

func TestListenUnixAbstract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("abstract sockets are Linux's")
	}
	l, err := ListenUnix("@lithair-wire-test", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

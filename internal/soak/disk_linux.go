package soak

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func mount(dir string, size int64) error {
	return os.NewSyscallError("mount", syscall.Mount("soak", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)))
}

func unmount(dir string) error { return os.NewSyscallError("umount", syscall.Unmount(dir, 0)) }

const (
	keepSize  = 1 // FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE of fallocate(2), which package syscall does not name
	punchHole = 2
)

// fill takes all room there is, and also what files have reserved and not written, as on file systems that
// write elsewhere whenever they write. The node must not run meanwhile.
func (d *smallDisk) fill() error {
	err := filepath.WalkDir(filepath.Join(d.dir, "log"), func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return unreserve(name)
	})
	f, e := os.Create(d.ballast())
	if err = errors.Join(err, e); err != nil {
		return err
	}
	taken := int64(0)
	for step := int64(64 << 20); step >= 4096; {
		err := syscall.Fallocate(int(f.Fd()), 0, taken, step)
		switch {
		case err == nil:
			taken += step
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case !errors.Is(err, syscall.EINTR):
			return errors.Join(os.NewSyscallError("fallocate", err), f.Close())
		}
	}
	return f.Close()
}

// unreserve gives back the room behind the last byte of a file that is not zero.
func unreserve(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	const step = 1 << 20
	buf, end := make([]byte, step), info.Size()
	for end > 0 {
		from := max(0, end-step)
		b := buf[:end-from]
		if _, err := f.ReadAt(b, from); err != nil {
			return err
		}
		if b = bytes.TrimRight(b, "\x00"); len(b) > 0 {
			end = from + int64(len(b))
			break
		}
		end = from
	}
	end = (end + 4095) &^ 4095
	if end >= info.Size() {
		return nil
	}
	return os.NewSyscallError("fallocate", syscall.Fallocate(int(f.Fd()), keepSize|punchHole, end, info.Size()-end))
}

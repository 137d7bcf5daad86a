package disk

import (
	"os"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// lockFile locks one byte far behind the end, so that the pid in the file can be read.
func lockFile(f *os.File) error {
	const exclusive, failAtOnce = 2, 1
	o := syscall.Overlapped{Offset: 1 << 30}
	r, _, err := lockFileEx.Call(f.Fd(), exclusive|failAtOnce, 0, 1, 0, uintptr(unsafe.Pointer(&o)))
	if r != 0 {
		return nil
	}
	if err == syscall.Errno(33) { // ERROR_LOCK_VIOLATION
		return errLocked
	}
	return err
}

package disk

import (
	"errors"
	"runtime"
	"syscall"
)

// errDiskFull is what Windows says: ERROR_DISK_FULL.
const errDiskFull = syscall.Errno(112)

const windows = runtime.GOOS == "windows"

// IsFull says whether an error means that there is no room: no space left, or over
// quota.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) || windows && errors.Is(err, errDiskFull)
}

package node

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME: it goes on while the machine sleeps, as CLOCK_MONOTONIC, and with it package
// time, does not.
const clockBoottime = 7

// uptime returns the time since the machine was started, sleep included.
var uptime = func() time.Duration {
	var t syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		panic("node: CLOCK_BOOTTIME: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}

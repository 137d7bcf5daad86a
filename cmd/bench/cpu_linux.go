package main

import (
	"syscall"
	"time"
)

// cpuNow is this process's own user and system time, at the kernel's full resolution.
func cpuNow() time.Duration {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

//go:build race && !386 && !s390x

package wire

import "syscall"

// Under the race detector the calls of package syscall are used: they tell it that what
// was written before a write happened before what follows the read.

func recvNow(fd int, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(fd, b)
	return n, errnoOf(err)
}

func sendNow(fd int, b []byte) (int, syscall.Errno) {
	n, err := syscall.Write(fd, b)
	return n, errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	e, _ := err.(syscall.Errno) // what these calls return; 0 for nil
	return e
}

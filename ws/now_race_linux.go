//go:build race && !386 && !s390x

package ws

import "syscall"

// Under the race detector the calls of package syscall are used, which tell it what was
// read and written. Sockets of package net do not block.

func recvNow(fd int, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(fd, b)
	return n, errnoOf(err)
}

func sendNow(fd int, head, body []byte) (int, syscall.Errno) {
	if len(head) == 0 {
		head = body
	}
	n, err := syscall.Write(fd, head)
	return n, errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	e, _ := err.(syscall.Errno) // what these calls return; 0 for nil
	return e
}

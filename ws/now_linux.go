//go:build !race && !386 && !s390x

package ws

import (
	"syscall"
	"unsafe"
)

// recvNow and sendNow never block, so the scheduler need not know of them. b, and one of
// head and body, are not empty.
func recvNow(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func sendNow(fd int, head, body []byte) (int, syscall.Errno) {
	if len(head) == 0 {
		head, body = body, nil
	}
	if len(body) == 0 {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&head[0])), uintptr(len(head)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		return int(n), errno
	}
	parts := [2]syscall.Iovec{{Base: &head[0]}, {Base: &body[0]}}
	parts[0].SetLen(len(head))
	parts[1].SetLen(len(body))
	msg := syscall.Msghdr{Iov: &parts[0], Iovlen: 2}
	n, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
	return int(n), errno
}

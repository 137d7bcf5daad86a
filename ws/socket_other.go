//go:build !linux || 386 || s390x

package ws

import (
	"net"
	"syscall"
)

// rawOf: connections are read and written by package net alone here.
func rawOf(net.Conn) syscall.RawConn { return nil }

func (c *Conn) readable(uintptr) bool { panic("ws: no connection is read by hand here") }

func (c *Conn) writable(uintptr) bool { panic("ws: no connection is written by hand here") }

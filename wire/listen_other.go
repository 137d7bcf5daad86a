//go:build !linux

package wire

import (
	"errors"
	"io/fs"
	"syscall"
)

// limitSocket does nothing here: permissions are set once the socket's file is there.
func limitSocket(fs.FileMode) func(network, addr string, c syscall.RawConn) error { return nil }

// dialRefused says that a dial found a socket on which nobody listens.
func dialRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// lockFolder does nothing here.
func lockFolder(string) (unlock func(), err error) { return func() {}, nil }

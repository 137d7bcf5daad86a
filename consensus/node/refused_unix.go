//go:build unix

package node

import (
	"errors"
	"syscall"
)

// refused says whether the kernel of a host answered that nobody listens at a port: the process
// that did is gone.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

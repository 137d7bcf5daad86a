//go:build !linux || 386 || s390x

package wire

import (
	"errors"
	"syscall"
)

// parker parks nothing here: connections rest in a goroutine that holds no buffer.
type parker struct{}

type ticket struct{}

const (
	parkRead = 0
	parkGone = 0
)

func (p *parker) reserve(Sleeper) (ticket, error) { return ticket{}, errors.ErrUnsupported }

func (p *parker) reserveIn(*ticket, Sleeper) (ticket, error) { return ticket{}, errors.ErrUnsupported }

func (p *parker) arm(syscall.RawConn, ticket, uint32) error { return errors.ErrUnsupported }

func (p *parker) cancel(ticket) bool { return false }

func (p *parker) cancelIn(*ticket) Sleeper { return nil }

func (p *parker) retire() {}

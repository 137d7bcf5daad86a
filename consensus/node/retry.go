package node

import (
	"errors"
	"net"
	"time"
)

// pace is how long to wait between attempts to reach a peer.
type pace struct {
	after time.Duration // as a rule
	quick int           // attempts that are left without that
}

// quickAttempts come close behind a connection that broke: whether the peer is dead is worth knowing soon. A process that dies
// may still take connections for a moment. A network that takes and resets them does so for longer.
const quickAttempts = 20

func (p *pace) connected() { p.quick = quickAttempts }

func (p *pace) next() time.Duration {
	if p.quick == 0 {
		return p.after
	}
	p.quick--
	return time.Millisecond
}

// causes are those for which a peer could not be reached since it last was.
type causes map[string]bool

// maxCauses bounds what is told of one outage.
const maxCauses = 16

// add says whether an error is to be told: it has another cause than those before, whatever the ports are.
func (c causes) add(err error) bool {
	cause := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		cause = op.Op + ": " + op.Err.Error()
	}
	if c[cause] || len(c) == maxCauses {
		return false
	}
	c[cause] = true
	return true
}

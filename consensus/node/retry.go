package node

import (
	"errors"
	"maps"
	"net"
	"time"

	"github.com/lithair/lithair-go/consensus"
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
	cause := causeOf(err)
	if c[cause] || len(c) == maxCauses {
		return false
	}
	c[cause] = true
	return true
}

// causeOf is an error without ports.
func causeOf(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// ends are connections of others that have ended, by who they said they are and why, with when that was told. Whom this node refuses, as a
// member of another cluster, tries again at once, for as long as it runs.
type ends map[end]time.Time

type end struct {
	from  consensus.NodeID
	cause string
}

// tellAgain is how long an end is not told again, and maxEnds bounds how many are told in that time.
const (
	tellAgain = time.Minute
	maxEnds   = 64
)

// add says whether an end is to be told.
func (e ends) add(from consensus.NodeID, err error, now time.Time) bool {
	if len(e) == maxEnds {
		maps.DeleteFunc(e, func(_ end, told time.Time) bool { return now.Sub(told) >= tellAgain })
	}
	x := end{from, causeOf(err)}
	if told, ok := e[x]; ok && now.Sub(told) < tellAgain || !ok && len(e) == maxEnds {
		return false
	}
	e[x] = now
	return true
}

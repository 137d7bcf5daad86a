package node

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/lithair/lithair-go/consensus"
)

// Groups hands messages to the replicas of a process by the number of their group: several may
// share a transport. A group is a whole Raft cluster, with its own log, leader and membership;
// nothing is shared between two but connections and clock. The zero value has none. All methods
// may be called by any goroutine; Receive takes no lock.
type Groups struct {
	mu   sync.Mutex
	here atomic.Pointer[map[uint64]func(...consensus.Message)]
}

// ErrGroupTaken says that a group is there already.
var ErrGroupTaken = errors.New("node: there is such a group already")

// errNoGroup: somebody speaks to a group that is not here.
var errNoGroup = errors.New("node: there is no such group here")

// Join has the messages of a group given to receive, see [Node.Receive].
func (g *Groups) Join(group uint64, receive func(...consensus.Message)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	here := g.list()
	if here[group] != nil {
		return fmt.Errorf("%w: %d", ErrGroupTaken, group)
	}
	here = maps.Clone(here)
	here[group] = receive
	g.here.Store(&here)
	return nil
}

// Leave ends that; a call of receive may still be under way.
func (g *Groups) Leave(group uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	here := maps.Clone(g.list())
	delete(here, group)
	g.here.Store(&here)
}

// list is not changed.
func (g *Groups) list() map[uint64]func(...consensus.Message) {
	if here := g.here.Load(); here != nil {
		return *here
	}
	return map[uint64]func(...consensus.Message){}
}

// Len returns how many groups there are.
func (g *Groups) Len() int { return len(g.list()) }

// Receive hands messages over, in order, those of a group that stand together in one call. It
// returns the groups that are not here; their messages went to nobody.
func (g *Groups) Receive(messages ...consensus.Message) (unknown []uint64) {
	here := g.list()
	for len(messages) > 0 {
		group, k := messages[0].Group, 1
		for k < len(messages) && messages[k].Group == group {
			k++
		}
		if receive := here[group]; receive != nil {
			receive(messages[:k:k]...)
		} else {
			unknown = append(unknown, group)
		}
		messages = messages[k:]
	}
	return unknown
}

package consensus

import (
	"errors"
	"fmt"
)

// Errors of Propose, Change, Transfer and Read: nothing was done.
var (
	ErrNotLeader    = errors.New("consensus: this replica does not lead")
	ErrNoLeader     = errors.New("consensus: no leader is known")
	ErrBusy         = errors.New("consensus: too many bytes wait for a commit")
	ErrTransferring = errors.New("consensus: leadership is on its way to another node")
	ErrChanging     = errors.New("consensus: another membership change is under way")
	ErrTooEarly     = errors.New("consensus: nothing of the own term is committed yet")
	ErrUnheard      = errors.New("consensus: a node that is to get a vote must be a learner first, and answer: whether it reads the cluster's format is not known")
	ErrTarget       = errors.New("consensus: leadership can go only to another voter")
)

// Errors of Step: the message was not for this replica and changed nothing.
var (
	ErrWrongGroup = errors.New("consensus: message of another group")
	ErrWrongNode  = errors.New("consensus: message to another node")
	ErrMalformed  = errors.New("consensus: message that no replica sends")
)

// ErrCompacted is returned by a [Storage] for entries that it has no more.
var ErrCompacted = errors.New("consensus: entries have been compacted")

// QuorumError says that of so many voters fewer answer than are needed.
type QuorumError struct{ Voters, Need, Answer int }

// Error says how many would be needed.
func (e *QuorumError) Error() string {
	return fmt.Sprintf("consensus: of %d voters %d must answer, %d do: nothing could be committed", e.Voters, e.Need, e.Answer)
}

// must panics when an invariant does not hold: going on would spread what is wrong. Numbers are boxed then alone, for
// most calls stand on the way of every entry and message.
func must(holds bool, format string, numbers ...uint64) {
	if holds {
		return
	}
	args := make([]any, len(numbers))
	for i, n := range numbers {
		args[i] = n
	}
	broken(format, args...)
}

// broken ends the replica: an invariant does not hold.
func broken(format string, args ...any) {
	panic("consensus: invariant broken: " + fmt.Sprintf(format, args...))
}

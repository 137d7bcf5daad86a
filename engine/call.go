package engine

import (
	"context"
	"slices"
	"sync/atomic"
)

// Command is a write: a function to run on the newest state, and for whom.
type Command struct {
	Name      string // for logs and the event log; may be empty
	Actor     string // who it is for; empty for anonymous callers
	RequestID string
	TraceID   string
	IdemKey   string   // makes retries safe; empty for none
	IdemHash  [32]byte // of the whole request; a retry must have the same

	// Run makes the changes. It is called once, on the executor's goroutine, and must
	// be short: nobody else writes meanwhile. An error or a panic rolls back.
	Run func(tx *Tx) (Answer, error)
}

// Answer is what a command returns. Status, Header and Body are kept for retries when
// the command has an idempotency key; Value is not.
type Answer struct {
	Status int
	Header [][2]string
	Body   []byte
	Value  any
}

// Result is what [Engine.Do] returns.
type Result struct {
	Answer
	Seq      uint64 // of the transaction; of the state it read, when it changed nothing
	Replayed bool   // the answer is that of an earlier try
}

// Call is a command on its way through the executor.
type Call struct {
	ctx    context.Context
	cmd    Command
	wait   uint64 // the answer may leave once this sequence is committed,
	round  uint64 // and once it is known that this node still led in this round
	wrote  bool   // it is part of an entry
	local  bool   // it is not, but has changed local records
	Result Result
	Err    error
	taken  atomic.Bool   // by the executor, to run it, or by the caller, to withdraw it
	over   atomic.Bool   // Result and Err are final
	news   chan struct{} // has a value when it is over, and when the caller may be blocking itself
	system bool          // made by the engine itself: nobody waits
}

// NewCall wraps a command. ctx is the caller's: when it is done before the function
// has returned, nothing is proposed.
func NewCall(ctx context.Context, cmd Command) *Call {
	return &Call{ctx: ctx, cmd: cmd, news: make(chan struct{}, 1)}
}

// finish says that the call is over. It may be somebody else's as soon as that can be seen; what
// the channel has then is news that are none.
func (c *Call) finish() {
	news := c.news
	c.over.Store(true)
	select {
	case news <- struct{}{}:
	default: // there are news already
	}
}

// Done says whether the call has ended, with its Result or Err.
func (c *Call) Done() bool { return c.over.Load() }

// callList holds calls that wait. Those that are withdrawn stay, with all that their functions
// hold, until they would be run, or are more than half of a long list: while a disk hangs, more and
// more callers come and give up.
type callList struct {
	calls []*Call
	sweep int // length at which they are looked for
}

const sweepLeast = 1024

func (l *callList) add(c *Call) {
	if len(l.calls) >= max(l.sweep, sweepLeast) {
		l.calls = slices.DeleteFunc(l.calls, func(c *Call) bool { return c.taken.Load() })
		l.sweep = 2 * len(l.calls)
	}
	l.calls = append(l.calls, c)
}

// take returns the calls, and keeps none.
func (l *callList) take() []*Call {
	calls := l.calls
	*l = callList{}
	return calls
}

// drop takes the first n out.
func (l *callList) drop(n int) {
	clear(l.calls[:n])
	if l.calls = l.calls[n:]; len(l.calls) == 0 {
		*l = callList{}
	}
}

// Name returns the command's name.
func (c *Call) Name() string { return c.cmd.Name }

// Withdraw takes the call back; false when it runs already, or has run.
func (c *Call) Withdraw() bool { return c.taken.CompareAndSwap(false, true) }

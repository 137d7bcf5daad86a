package node

import (
	"sync"

	"github.com/lithair/lithair-go/consensus"
)

// inbox is what has come for a group and was not handed over yet. Where there is one group, there is
// nothing in it: whoever reads a connection hands over. Where there are several, a goroutine
// of the group does, while there is anything, so that none waits for the disk of another; and if
// that one waits for long, a second goes on, so that heartbeats do not.
type inbox struct {
	t       *TCP
	group   uint32
	receive func(...consensus.Message)

	mu      sync.Mutex
	queue   []consensus.Message
	bytes   int
	dropped uint64
	shift   uint64 // whose turn it is to hand over; 0: nobody's
	shifts  uint64
	since   uint64 // the watch's rounds when that one last began to
}

// take takes messages in.
func (in *inbox) take(list ...consensus.Message) {
	if in.t.served.Len() == 1 {
		in.receive(list...)
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range list {
		n := sizeOf(&list[i])
		if in.bytes+n > in.t.cfg.MaxQueueBytes && len(in.queue) > 0 {
			in.dropped++ // the protocol sends again what matters
			continue
		}
		in.queue, in.bytes = append(in.queue, list[i]), in.bytes+n
	}
	if in.shift == 0 {
		in.begin()
	}
}

// begin has a goroutine hand over what is there. in.mu is held, by somebody who is waited for by
// TCP.Close.
func (in *inbox) begin() {
	in.shifts++
	in.shift, in.since = in.shifts, in.t.rounds.Load()
	mine := in.shift
	in.t.done.Add(1)
	go func() {
		defer in.t.done.Done()
		for list := in.next(mine); list != nil; list = in.next(mine) {
			in.receive(list...)
		}
	}()
}

// next returns what is to be handed over; nil when there is nothing, or it is another's turn.
func (in *inbox) next(mine uint64) (list []consensus.Message) {
	in.mu.Lock()
	dropped := uint64(0)
	switch {
	case in.shift != mine:
	case len(in.queue) == 0:
		in.shift = 0
	default:
		list, in.queue, in.bytes = in.queue, nil, 0
		dropped, in.dropped = in.dropped, 0
		in.since = in.t.rounds.Load()
	}
	in.mu.Unlock()
	if dropped > 0 {
		in.t.cfg.Logger.Warn("messages dropped: a group does not keep up with its peers", "group", in.group, "messages", dropped)
	}
	return list
}

// relieve has another goroutine go on when the one whose turn it is waits for something.
func (in *inbox) relieve(now uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.shift == 0 || in.since+1 >= now:
	case len(in.queue) == 0:
		in.shift = 0 // the next that comes begins one
	default:
		in.begin()
	}
}

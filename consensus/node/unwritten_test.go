package node_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// slowSink writes no byte of a snapshot before the gate is open.
type slowSink struct {
	*recorder
	node.Snapshots
	gate    chan struct{}
	written int64
	checked chan int64
}

func (s *slowSink) Note() []byte           { return nil }
func (s *slowSink) NewestSnapshot() uint64 { return 0 }
func (s *slowSink) DropIncoming() error    { return nil }

func (s *slowSink) WriteIncoming(p []byte, off int64) error {
	<-s.gate
	if off != s.written {
		return errors.New("there is a gap")
	}
	s.written += int64(len(p))
	return nil
}

func (s *slowSink) CheckIncoming(int64, [32]byte) (at eventlog.Position, note []byte, err error) {
	s.checked <- s.written
	return at, nil, errors.New("enough was seen")
}

// wishes is a transport that keeps what is sent.
type wishes struct {
	mu   sync.Mutex
	sent []consensus.Message
	more chan struct{}
}

func (w *wishes) Members(consensus.Membership) {}

func (w *wishes) Send(messages []consensus.Message) {
	w.mu.Lock()
	w.sent = append(w.sent, messages...)
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// TestSlowDiskIsNotFlooded: a leader answers each wish for a piece of a snapshot at once, and the
// disk writes nothing. A few pieces are asked for; when the disk goes on, all of them are, once.
func TestSlowDiskIsNotFlooded(t *testing.T) {
	fs := disk.NewSim(1)
	if err := fs.MkdirAll("raft"); err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(eventlog.Config{Dir: "log", FS: fs, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	sink := &slowSink{recorder: newRecorder(), gate: make(chan struct{}), checked: make(chan int64, 1)}
	w := &wishes{more: make(chan struct{}, 1)}
	n, err := node.Start(node.Config{
		Log: log, Sink: sink, FS: fs, Dir: "raft", File: "node", Transport: w, Logger: quiet(), Tick: time.Hour,
		First: node.Identity{Cluster: 1, ID: 1, Membership: consensus.Voters(1, 2, 3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	const pieces = 100
	s := consensus.Snapshot{Index: 9, Term: 1, Time: 1, Size: pieces, Sum: [32]byte{1}, Membership: consensus.Voters(1, 2, 3)}
	wanted := 0
	answer := func() {
		for {
			w.mu.Lock()
			sent := w.sent
			w.sent = nil
			w.mu.Unlock()
			if len(sent) == 0 {
				return
			}
			for _, m := range sent {
				if m.Kind != consensus.MsgChunkWant {
					continue
				}
				wanted++
				c := consensus.ChunkRead{To: 1, Snapshot: s, Offset: m.Offset, Bytes: 1}.Message([]byte("x"))
				c.From, c.Term = 2, 1
				n.Receive(c)
			}
		}
	}
	n.Receive(consensus.Message{Kind: consensus.MsgSnapshot, From: 2, To: 1, Term: 1, Seq: 1, Snapshot: &s})
	answer()
	if wanted == 0 || wanted > 10 {
		t.Errorf("%d of %d pieces were asked for while nothing was written", wanted, pieces)
	}
	close(sink.gate)
	for {
		select {
		case got := <-sink.checked:
			if got != pieces || wanted != pieces {
				t.Errorf("%d bytes of %d were written, %d pieces asked for", got, pieces, wanted)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			return
		case <-w.more:
			answer()
		case <-time.After(30 * time.Second):
			t.Fatal("the snapshot does not arrive")
		}
	}
}

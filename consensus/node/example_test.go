package node_test

import (
	"fmt"
	"log"
	"os"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
)

// printer is a sink that prints what becomes of the log.
type printer struct{ done chan struct{} }

func (printer) Replay(records []eventlog.Record) error { return nil }
func (p printer) Committed(records []eventlog.Record) {
	for _, r := range records {
		if r.Kind < consensus.FirstKind {
			fmt.Printf("committed %d, kind %d, the node's own\n", r.Index, r.Kind)
			continue
		}
		fmt.Printf("committed %d, kind %d: %q\n", r.Index, r.Kind, r.Payload)
		close(p.done)
	}
}
func (printer) Holds() eventlog.Position                   { return eventlog.Position{} }
func (printer) Leading(epoch uint64)                       { fmt.Println("leading, epoch", epoch) }
func (printer) Lost(epoch uint64, known bool, cause error) { fmt.Println("lost", cause) }
func (printer) Barrier(ticket, index uint64, err error)    {}

// A cluster of one voter: entries are committed once they are durable.
func Example() {
	dir, err := os.MkdirTemp("", "lithair")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := eventlog.Open(eventlog.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	sink := printer{make(chan struct{})}
	n, err := node.Start(node.Config{Log: l, Sink: sink})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := n.Propose(1, 16, 0, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	<-sink.done
	fmt.Println("closed:", n.Close())
	// Output:
	// committed 1, kind 2, the node's own
	// leading, epoch 1
	// committed 2, kind 16: "hello"
	// closed: <nil>
}

package engine_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
)

// followed is an order whose node follows: barriers are answered as the test says.
type followed struct {
	*order
	asked chan uint64 // tickets
	deny  atomic.Int32
}

func (o *followed) Barrier(level uint8, ticket uint64) {
	if o.deny.Add(-1) >= 0 {
		o.sink.Barrier(ticket, 0, errors.New("no leader"))
		return
	}
	o.asked <- ticket
}

// TestAMemberNeedNotLead: the start does not wait for leadership; reads at weak and above ask
// the leader, again while nobody answers, and wait for entries without a transaction as well.
func TestAMemberNeedNotLead(t *testing.T) {
	o := &followed{asked: make(chan uint64, 1)}
	e, err := engine.New(engine.Config{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Open: func(sink engine.Sink) (engine.Order, error) {
			o.order = &order{sink: sink}
			return o, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	e.InCluster()
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if !e.Follows() {
		t.Error("a member that was never told to lead does not follow")
	}
	if _, err := e.Barrier(t.Context(), engine.None); err != nil {
		t.Errorf("a read at none: %v", err)
	}
	o.deny.Store(2)
	for index := uint64(1); index <= 3; index++ {
		got := make(chan error, 1)
		go func() {
			_, err := e.Barrier(t.Context(), engine.Weak)
			got <- err
		}()
		o.sink.Barrier(<-o.asked, index, nil)
		select {
		case err := <-got:
			t.Fatalf("a read from index %d on was answered before: %v", index, err)
		default:
		}
		o.sink.Committed([]eventlog.Record{{Index: index, Term: 1, Kind: consensus.KindNoop}})
		if err := <-got; err != nil {
			t.Errorf("a read from index %d on: %v", index, err)
		}
	}
	if _, err := e.Do(t.Context(), engine.Command{Run: func(*engine.Tx) (engine.Answer, error) { return engine.Answer{}, nil }}); !errors.Is(err, engine.ErrNotLeader) {
		t.Errorf("a command on a node that follows: %v", err)
	}
}

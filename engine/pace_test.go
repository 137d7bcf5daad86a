package engine_test

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lithair/lithair-go/engine"
)

// TestGather: commands that come while an entry is in flight make one entry, when that is
// committed or when they are enough; where commits are slow each goes at once.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil, func(c *engine.Config) { c.Gather = 5 })
		r.o.mu.Lock()
		r.o.auto = false
		r.o.mu.Unlock()
		drain(r.o.arrived)
		done := make(chan error, 100)
		sent := 0
		send := func(n int) {
			for range n {
				sent++
				name := fmt.Sprint("author ", sent)
				go func() {
					done <- r.do(func(tx *engine.Tx) error {
						return tx.Insert(r.authors, &author{Email: name[7:] + "@example.org", Name: name})
					})
				}()
				synctest.Wait()
			}
		}
		open := func(when string, want int) {
			t.Helper()
			r.o.mu.Lock()
			defer r.o.mu.Unlock()
			if len(r.o.open) != want {
				t.Errorf("%s: %d entries in flight, want %d", when, len(r.o.open), want)
			}
		}
		commitFirst := func(n int) {
			r.o.commitFirst(n)
			synctest.Wait()
		}
		commit := func() { commitFirst(math.MaxInt) }
		send(1)
		open("the first", 1)
		send(4)
		open("four behind it", 1)
		send(1)
		open("five behind it", 2)
		send(3)
		open("three more", 2)
		commit()
		open("those three", 1)
		time.Sleep(10 * time.Millisecond) // of the bubble's clock
		commit()
		open("all committed", 0)
		send(3)
		open("after a slow commit", 3)
		time.Sleep(10 * time.Millisecond)
		commitFirst(1)
		send(1)
		open("after another", 3)
		commitFirst(2)
		send(1)
		open("behind one that was proposed a moment ago", 2)
		commitFirst(1)
		send(2)
		open("after its quick commit, while one is in flight as ever", 1)
		commit()
		commit()
		if n := len(done); n != sent {
			t.Errorf("%d of %d commands are done", n, sent)
		}
		for range sent {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		send(2) // one in flight, one held: closing lets it go
		r.o.mu.Lock()
		r.o.auto = true
		r.o.mu.Unlock()
		r.o.commit()
	})
}

// TestAnsweredComeTogether: callers who come back at once with another command share an
// entry with those who came while theirs was on its way, in place of taking turns with them.
func TestAnsweredComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil, func(c *engine.Config) { c.Gather = 256 })
		r.o.mu.Lock()
		r.o.auto = false
		r.o.mu.Unlock()
		drain(r.o.arrived)
		const callers = 8
		var ended atomic.Bool
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for !ended.Load() {
					if err := r.do(func(tx *engine.Tx) error {
						id := tx.NewID()
						return tx.Insert(r.authors, &author{ID: id, Email: id.String() + "@example.org", Name: "Ada"})
					}); err != nil {
						t.Error(err)
						return
					}
				}
			})
			synctest.Wait() // the first goes alone, the others wait for its commit
		}
		const most = 200
		rounds, together := 0, 0
		for ; rounds < most && together < callers; rounds++ {
			r.o.mu.Lock()
			e, err := engine.DecodeEntry(r.o.open[0].Payload)
			r.o.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			together = len(e.Txs)
			r.o.commit()
			synctest.Wait()
		}
		if together < callers {
			t.Errorf("in %d rounds, %d callers never shared an entry", rounds, callers)
		}
		t.Logf("together in round %d", rounds)
		ended.Store(true)
		r.o.mu.Lock()
		r.o.auto = true
		r.o.mu.Unlock()
		r.o.commit()
		wg.Wait()
	})
}

package ws

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/wire"
)

// TestHandleBesideShutdown: a server is shut down while connections are handed to their handler. Each that was handed over
// has its Close called, once, whether it was cut before or behind that.
func TestHandleBesideShutdown(t *testing.T) {
	const conns = 20
	for range 10 {
		s, err := NewServer(Config{Origins: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
		var handed, closed atomic.Int64
		var ends sync.WaitGroup
		first := make(chan struct{}, conns)
		url := "ws://" + serveHTTP(t, func(w *wire.Response, r *wire.Request) error {
			c, err := s.Upgrade(w, r)
			if err != nil {
				return err
			}
			first <- struct{}{}
			handed.Add(1)
			ends.Add(1)
			c.Handle(&Handler{Close: func(*Conn, error) {
				closed.Add(1)
				ends.Done()
			}})
			return nil
		})
		var dials sync.WaitGroup
		for range conns {
			dials.Go(func() {
				c, err := Dial(context.Background(), url, DialConfig{})
				if err != nil {
					return // the server was faster
				}
				defer c.CloseNow()
				for err == nil {
					_, _, err = c.Read(context.Background())
				}
			})
		}
		<-first
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx) // what is open is cut at once
		dials.Wait()    // nobody is on the way to be handed over any more
		ends.Wait()
		if handed.Load() != closed.Load() {
			t.Errorf("%d connections were handed over, Close was called %d times", handed.Load(), closed.Load())
		}
		s.Shutdown(context.Background())
	}
}

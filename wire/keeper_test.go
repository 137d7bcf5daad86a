package wire

import (
	"testing"
	"time"
)

// A keeper that comes late looks at each connection once.
func TestLateKeeper(t *testing.T) {
	for patience := 1; patience <= maxPatience; patience++ {
		k, l := &keeper{}, &link{}
		l.phase.Store(phaseActive)
		l.patience = uint8(patience)
		k.enqueue(l, 0)
		done := make(chan struct{})
		go func() {
			k.lookAt(&k.ring[patience], keeperSlots) // its next slot is this one again
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			l.phase.Store(phaseClosed)
			<-done
			t.Fatalf("patience %d: it goes round and round while the connection is active", patience)
		}
		if k.ringed != 1 || l.list != &k.ring[patience] {
			t.Errorf("patience %d: the connection is not in the ring any more", patience)
		}
	}
}

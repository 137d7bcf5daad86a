package state

import "sync/atomic"

// Store holds the newest root for readers. It is safe for concurrent use.
type Store struct{ root atomic.Pointer[Root] }

// NewStore returns a store that holds r, which must not be nil.
func NewStore(r *Root) *Store {
	s := &Store{}
	s.Publish(r)
	return s
}

// Load returns the newest root. It never waits.
func (s *Store) Load() *Root { return s.root.Load() }

// Publish makes r the newest root. One goroutine, the writer, calls it.
func (s *Store) Publish(r *Root) {
	if r == nil {
		panic("state: a nil root is published")
	}
	s.root.Store(r)
}

package model

import (
	"fmt"
	"strconv"
	"time"
)

const (
	// MaxVersions bounds what versioned asks for.
	MaxVersions = 1000
	// MaxRetentionDays bounds what retention asks for: a hundred years.
	MaxRetentionDays = 36_500
)

// Lifecycle is what a model says about its records as a whole.
type Lifecycle struct {
	Immutable  bool          // records are neither changed nor deleted, but by their retention
	Audited    bool          // who gave each field its value, and when, is kept as state
	Versioned  int           // how many versions of each record are kept as state; 0: none
	Retention  time.Duration // records are removed so long after the time in Since; 0: never
	Since      *Field        // of Retention
	MemoryOnly bool          // records live in this process alone
}

// Trailed says that changes of the model's records leave something behind as state.
func (m *Model) Trailed() bool {
	if m.Audited || m.Versioned > 0 {
		return true
	}
	for _, f := range m.Fields {
		if f.Audited {
			return true
		}
	}
	return false
}

// readNumber reads the value of versioned or retention.
func readNumber(text string, limit int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, fmt.Errorf("want a whole number from 1 to %d, not %q", limit, text)
	}
	return n, nil
}

// checkLifecycle resolves what concerns several fields.
func (m *Model) checkLifecycle(errs *[]error) {
	bad := func(f *Field, tag, problem string) {
		e := &TagError{Type: m.Type.String(), Field: "_", Tag: tag, Problem: problem}
		if f != nil {
			e.Field = f.GoName
		}
		*errs = append(*errs, e)
	}
	for _, f := range m.Fields {
		if f.retention == 0 {
			continue
		}
		if m.Retention != 0 {
			bad(f, "lifecycle", "a second retention")
			return
		}
		m.Retention, m.Since = f.retention, f
	}
	if m.Retention != 0 && m.Since == nil {
		for _, f := range m.Fields {
			if f.Created {
				m.Since = f
				break
			}
		}
		if m.Since == nil {
			bad(nil, "lifecycle", "retention counts from a time: tag a field of type time.Time lithair:\"created\", or put retention on the time it counts from")
			return
		}
	}
	if m.Since != nil {
		m.Since.Indexed = true // what is due is found by it
	}
	if !m.MemoryOnly {
		return
	}
	if m.Trailed() {
		bad(nil, "persist", "memory_only records have no past: audited and versioned cannot be kept for them")
	}
	for _, f := range m.Fields {
		if f.FK != "" {
			bad(f, "lithair", "memory_only records differ from node to node, so that a reference of one cannot be held to: remove fk")
		}
	}
}

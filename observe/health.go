package observe

import (
	"slices"
	"strings"
	"sync"

	"github.com/lithair/lithair-go/wire"
)

// Health is a list of named checks.
type Health struct {
	mu     sync.Mutex
	checks []check
}

type check struct {
	name string
	fn   func() error
}

// Add adds a check; nil means fine. It must be quick and safe for concurrent use.
func (h *Health) Add(name string, fn func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, fn})
}

// Handler answers 200 when all checks are fine, else 503. With ?verbose it lists them:
//
//	[+]disk ok
//	[-]leader failed: this node does not take writes
//
// and ?exclude=name leaves one out.
func (h *Health) Handler() wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		q := r.Query()
		h.mu.Lock()
		checks := slices.Clone(h.checks)
		h.mu.Unlock()
		var lines strings.Builder
		healthy := true
		for _, c := range checks {
			if slices.Contains(q.All("exclude"), c.name) {
				continue
			}
			if err := c.fn(); err != nil {
				healthy = false
				lines.WriteString("[-]" + c.name + " failed: " + err.Error() + "\n")
			} else {
				lines.WriteString("[+]" + c.name + " ok\n")
			}
		}
		status, word := 200, "healthy"
		if !healthy {
			status, word = 503, "unhealthy"
			if err := w.SetHeader("Retry-After", "1"); err != nil {
				return err
			}
		}
		if err := w.SetHeader("Cache-Control", "no-store"); err != nil {
			return err
		}
		if q.Has("verbose") {
			lines.WriteString(word + "\n")
			return w.Send(status, "text/plain; charset=utf-8", []byte(lines.String()))
		}
		return w.Send(status, "application/json", []byte(`{"status":"`+word+"\"}\n"))
	}
}

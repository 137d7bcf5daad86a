//go:build !race

package wire

import (
	"context"
	"testing"
)

// TestClientAllocations pins what a small GET on a kept connection costs: the request,
// the response with its text, and what the caller reads into. The server allocates
// nothing.
func TestClientAllocations(t *testing.T) {
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = func(w *Response, r *Request) error { return w.Send(200, "text/plain", []byte("Hello, World!")) }
	})
	c, url := newClient(t), "http://"+addr+"/plain"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, row := range map[string]struct {
		ctx  context.Context
		most float64
	}{"background": {context.Background(), 5}, "with cancel": {ctx, 8}} {
		n := testing.AllocsPerRun(3000, func() {
			r, err := c.Get(row.ctx, url)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := r.ReadAll(100); err != nil || len(b) != 13 {
				t.Fatal(b, err)
			}
		})
		t.Logf("%s: %v allocations per GET", name, n)
		if n > row.most {
			t.Errorf("%s: %v allocations per GET, want at most %v", name, n, row.most)
		}
	}
}

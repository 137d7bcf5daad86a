package fleet

import (
	"context"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Answer is what came of one request. With an Err nobody knows whether it was carried out.
type Answer struct {
	Status  int
	Body    []byte
	Index   string // Lithair-Index
	Outcome string // Lithair-Outcome
	Level   string // Lithair-Level
	Err     error
}

// Unknown says whether the request may have been carried out, or not.
func (a *Answer) Unknown() bool {
	return a.Err != nil || a.Status == 503 && a.Outcome != "none" || a.Status == 504
}

// do sends one request and reads the answer whole. Within bounds both.
func do(c *wire.Client, within time.Duration, q *wire.ClientRequest) (a Answer) {
	q.NoResend = true // its first sending may have had an effect that the answer to the second does not speak of
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, err := c.Do(ctx, q)
	if err != nil {
		return Answer{Err: err}
	}
	a = Answer{Status: r.StatusCode(), Index: r.Header("Lithair-Index"), Outcome: r.Header("Lithair-Outcome"), Level: r.Header("Lithair-Level")}
	a.Body, a.Err = r.ReadAll(0)
	return a
}

// Client sends requests to the nodes of a fleet. It is safe for concurrent use.
type Client struct{ http *wire.Client }

// NewClient returns a client with connections of its own.
func NewClient(t T) *Client {
	t.Helper()
	h, err := wire.NewClient(wire.ClientConfig{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &Client{h}
}

// Close ends its connections.
func (c *Client) Close() error { return c.http.Close() }

// Do sends one request and reads the answer whole, within 6 s.
func (c *Client) Do(q *wire.ClientRequest) Answer { return do(c.http, 6*time.Second, q) }

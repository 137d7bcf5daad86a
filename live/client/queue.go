package client

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/ws"
)

// ErrOffline: there is no connection, or it was lost before the answer came; then nobody knows
// whether it was done.
var ErrOffline = errors.New("live: there is no connection")

// Job is a job that was taken of a queue.
type Job struct {
	ID       string         `json:"id"` // the same however often it is tried
	Value    jsonx.RawValue `json:"value"`
	Pushed   time.Time      `json:"pushed"`
	Until    time.Time      `json:"until"`    // when others may have it
	Attempts int            `json:"attempts"` // before this one
	Lease    int            `json:"lease"`    // goes back with Ack and Nack
}

// Take takes jobs of a queue, at most n (0: one), for as long as lease (0: the server's 30 s):
// none where none is due. What is neither acknowledged nor given back within its lease is given to
// the next who asks. A job that was taken for an answer that did not come is so, too.
//
// Errors: *[live.Error], [ErrOffline], ctx's. Without a WebSocket there are no queues: ask over HTTP.
func (c *Client) Take(ctx context.Context, queue string, n int, lease time.Duration) ([]Job, error) {
	f, err := c.call(ctx, "take", queue, func(b []byte) []byte {
		b = strconv.AppendInt(append(b, `,"max":`...), int64(n), 10)
		return strconv.AppendInt(append(b, `,"lease_ms":`...), lease.Milliseconds(), 10)
	})
	if err != nil {
		return nil, err
	}
	return f.Jobs, nil
}

// Ack ends a job. The code not_leased of a *[live.Error] says that it is done, or that another has
// it by now.
func (c *Client) Ack(ctx context.Context, queue string, j Job) error {
	_, err := c.call(ctx, "ack", queue, j.append)
	return err
}

// Nack has a job tried again after a pause; cause is kept with it.
func (c *Client) Nack(ctx context.Context, queue string, j Job, cause error) error {
	_, err := c.call(ctx, "nack", queue, func(b []byte) []byte {
		return jsonx.AppendString(append(j.append(b), `,"error":`...), cause.Error())
	})
	return err
}

func (j Job) append(b []byte) []byte {
	b = jsonx.AppendString(append(b, `,"job":`...), j.ID)
	return strconv.AppendInt(append(b, `,"lease":`...), int64(j.Lease), 10)
}

// call sends a message about a queue and waits for its answer.
func (c *Client) call(ctx context.Context, op, queue string, rest func([]byte) []byte) (*Frame, error) {
	answer := make(chan *Frame, 1)
	c.mu.Lock()
	socket := c.socket
	c.next++
	ref := c.next
	if socket != nil {
		c.calls[ref] = answer
	}
	c.mu.Unlock()
	if socket == nil {
		return nil, ErrOffline
	}
	b := strconv.AppendInt([]byte(`{"op":"`+op+`","ref":`), int64(ref), 10)
	b = append(rest(jsonx.AppendString(append(b, `,"queue":`...), queue)), '}')
	if err := socket.Send(ws.Text, b); err != nil {
		c.forget(ref)
		return nil, errors.Join(ErrOffline, err)
	}
	select {
	case f := <-answer:
		if f == nil {
			return nil, ErrOffline
		}
		if f.Op == "error" {
			return nil, &live.Error{Code: f.Code, Detail: f.Detail}
		}
		return f, nil
	case <-ctx.Done():
		c.forget(ref)
		return nil, context.Cause(ctx)
	}
}

func (c *Client) forget(ref int) {
	c.mu.Lock()
	delete(c.calls, ref)
	c.mu.Unlock()
}

// answered hands a frame to the call that it answers, if it does.
func (c *Client) answered(f *Frame) bool {
	raw := f.Ref
	if f.Op == "error" {
		raw = f.ID // queries and calls are counted together
	}
	ref, err := strconv.Atoi(string(raw))
	if err != nil {
		return false
	}
	c.mu.Lock()
	answer := c.calls[ref]
	delete(c.calls, ref)
	c.mu.Unlock()
	if answer == nil {
		return false
	}
	answer <- f
	return true
}

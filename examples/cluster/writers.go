package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// writers post comments through all nodes in turn. Each comment has a text of its own and an
// idempotency key, with which it is sent again until it is acknowledged.
type writers struct {
	f       *fleet
	article string
	pace    time.Duration
	end     chan struct{}
	done    sync.WaitGroup

	mu      sync.Mutex
	acks    []ack
	retries int
	failed  error
}

// ack is a write that was acknowledged.
type ack struct {
	text       string
	begun, end time.Time
}

// newWriters makes the article that is commented on, and lets n writers begin.
func (f *fleet) newWriters(ctx context.Context, n int, pace time.Duration) (*writers, error) {
	w := &writers{f: f, pace: pace, end: make(chan struct{})}
	status, b, err := w.post(ctx, 0, "/api/articles", "the article", `{"slug":"cluster","title":"A cluster","body":"Comments follow."}`)
	if err != nil || status != 201 {
		return nil, fmt.Errorf("the article: %d %s: %w", status, b, err)
	}
	var a struct {
		ID string `json:"id"`
	}
	if err := jsonx.Unmarshal(b, &a); err != nil {
		return nil, err
	}
	w.article = a.ID
	for i := range n {
		w.done.Add(1)
		go w.write(ctx, i)
	}
	return w, nil
}

func (w *writers) post(ctx context.Context, node int, path, key, body string) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := w.f.client.Do(ctx, &wire.ClientRequest{Method: "POST", URL: w.f.nodes[node].url + path, Body: bytes.NewReader([]byte(body)),
		Header: [][2]string{{"Content-Type", "application/json"}, {"Idempotency-Key", fmt.Sprintf("%x", key)}}})
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(r.Body())
	return r.StatusCode(), answer, errors.Join(err, r.Close())
}

// write is one writer.
func (w *writers) write(ctx context.Context, id int) {
	defer w.done.Done()
	node := id
	for n := 0; ; n++ {
		pause(ctx, w.pace)
		text := fmt.Sprintf("writer %d, comment %d", id, n)
		body := fmt.Sprintf(`{"article_id":%q,"author_name":"writer","body":%q}`, w.article, text)
		for begun := time.Now(); ; {
			select {
			case <-w.end:
				return // what is not acknowledged may be there or not
			case <-ctx.Done():
				return
			default:
			}
			node = (node + 1) % len(w.f.nodes)
			status, answer, err := w.post(ctx, node, "/api/comments", text, body)
			if err == nil && status == 201 {
				w.note(ack{text, begun, time.Now()})
				break
			}
			if err == nil && status != 503 {
				w.fail(fmt.Errorf("%s: %d %s", text, status, answer))
				return
			}
			w.mu.Lock()
			w.retries++
			w.mu.Unlock()
			pause(ctx, 5*time.Millisecond)
		}
	}
}

func (w *writers) note(a ack) {
	w.mu.Lock()
	w.acks = append(w.acks, a)
	w.mu.Unlock()
}

func (w *writers) fail(err error) {
	w.mu.Lock()
	w.failed = errors.Join(w.failed, err)
	w.mu.Unlock()
}

// count is how many writes are acknowledged by now.
func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acks)
}

// stop ends the writers, and says what a node answered that it must not.
func (w *writers) stop() error {
	close(w.end)
	w.done.Wait()
	return w.failed
}

package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/wire"
)

// follow keeps one query up to date by server-sent events.
func (q *Query) follow(ctx context.Context) {
	pause := q.c.cfg.MinPause
	for node := 0; ctx.Err() == nil; node++ {
		began := time.Now()
		err := q.stream(ctx, q.c.cfg.Nodes[node%len(q.c.cfg.Nodes)])
		q.lost()
		if e, refused := err.(*live.Error); refused {
			q.mu.Lock()
			q.err = e
			q.tell()
			q.mu.Unlock()
			return
		}
		if time.Since(began) > 2*q.c.cfg.MaxPause {
			pause = q.c.cfg.MinPause
		}
		q.c.wait(ctx, &pause)
	}
}

// stream reads one stream to its end. A *live.Error says that another is of no use.
func (q *Query) stream(ctx context.Context, node string) error {
	url := node + q.path + "/live"
	if q.query != "" {
		url += "?" + q.query
	}
	r := &wire.ClientRequest{URL: url, Header: append([][2]string{{"Accept", "text/event-stream"}}, q.c.header()...), MaxContentBytes: -1}
	q.mu.Lock()
	seq, _, ok := q.list.Position()
	id := strconv.FormatUint(seq, 10)
	if q.epoch != "" {
		id += "@" + q.epoch
	}
	q.mu.Unlock()
	if ok {
		r.SetHeader("Last-Event-ID", id)
	}
	resp, err := q.c.cfg.HTTP.Do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Close()
	if status := resp.StatusCode(); status != 200 {
		body, err := resp.ReadAll(64 << 10)
		if err != nil || status >= 500 || status == 429 || status == 401 {
			return fmt.Errorf("live: status %d", status)
		}
		var problem struct {
			Code   string `json:"code"`
			Detail string `json:"detail"`
		}
		if err := jsonx.Unmarshal(body, &problem); err != nil {
			return fmt.Errorf("live: status %d", status)
		}
		return &live.Error{Code: problem.Code, Detail: problem.Detail}
	}
	in, epoch := eventReader{r: bufio.NewReader(resp.Body())}, ""
	for {
		f, err := in.frame()
		if err != nil {
			return err
		}
		switch f.Op {
		case "drain":
			return errDrain
		case "connected":
			epoch = f.Epoch
		}
		if q.take(f, epoch) {
			return ErrDiffers
		}
	}
}

// eventReader turns events into the frames they were made of: the steps of a diff are one frame
// again, so that a connection that is lost among them leaves the list as it was.
type eventReader struct {
	r     *bufio.Reader
	steps []Change
}

// maxEvent bounds the bytes of one event.
const maxEvent = 16 << 20

// frame returns the next frame.
func (in *eventReader) frame() (*Frame, error) {
	for {
		name, id, data, err := in.event()
		if err != nil {
			return nil, err
		}
		f := &Frame{Op: name}
		if err := jsonx.Unmarshal([]byte(data), f); err != nil {
			return nil, err
		}
		switch name {
		case "enter", "update", "leave", "move":
			step := Change{Kind: name}
			if err := jsonx.Unmarshal([]byte(data), &step); err != nil {
				return nil, err
			}
			if in.steps = append(in.steps, step); id == "" {
				continue
			}
			f.Op, f.Changes, in.steps = "diff", in.steps, nil
		case "current":
			f.Op = "diff"
		}
		return f, nil
	}
}

// event reads one event (HTML §9.2.6); comments are passed over.
func (in *eventReader) event() (name, id, data string, err error) {
	size := 0
	for {
		line, err := in.r.ReadString('\n')
		if size += len(line); err != nil || size > maxEvent {
			if err == nil {
				err = fmt.Errorf("live: an event of more than %d bytes", maxEvent)
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return "", "", "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			if data != "" {
				return name, id, data, nil
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data += value
		}
	}
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is a server-sent event (HTML §9.2). One without Name and Data sets ID and Retry
// in the client and is not seen by the page.
type Event struct {
	ID    string        // what the client sends as Last-Event-ID when it comes back; no line ends, no NUL
	Name  string        // default "message"; no line ends
	Data  string        // UTF-8, any number of lines
	Retry time.Duration // how long the client waits before it comes back; 0: not said. Whole milliseconds
}

// ErrEvent: an event with a line end or NUL where it would end the field, or one of
// nothing.
var ErrEvent = errors.New("wire: invalid event")

// AppendEvent appends an event as it is sent:
//
//	event = *( "id:" / "event:" / "retry:" / "data:" value LF ) LF   (HTML §9.2.5)
//
// Each line of the data, ended by CRLF, LF or CR, becomes a field of its own; the client
// sees LF between them. On [ErrEvent] dst is returned as it was.
func AppendEvent(dst []byte, e Event) ([]byte, error) {
	switch {
	case strings.ContainsAny(e.ID, "\r\n\x00"):
		return dst, fmt.Errorf("%w: ID %.40q", ErrEvent, e.ID)
	case strings.ContainsAny(e.Name, "\r\n"):
		return dst, fmt.Errorf("%w: Name %.40q", ErrEvent, e.Name)
	case e.Retry < 0 || e == Event{}:
		return dst, fmt.Errorf("%w: it says nothing", ErrEvent)
	}
	if e.ID != "" {
		dst = append(append(append(dst, "id: "...), e.ID...), '\n')
	}
	if e.Name != "" {
		dst = append(append(append(dst, "event: "...), e.Name...), '\n')
	}
	if e.Retry > 0 {
		dst = append(strconv.AppendInt(append(dst, "retry: "...), int64(max(e.Retry, time.Millisecond)/time.Millisecond), 10), '\n')
	}
	if e.Data != "" || e.Name != "" { // an event without a data field would not be seen
		dst = appendLines(dst, "data: ", e.Data)
	}
	return append(dst, '\n'), nil
}

// appendLines appends each line of text behind a prefix.
func appendLines(dst []byte, prefix, text string) []byte {
	for {
		dst = append(dst, prefix...)
		i := strings.IndexAny(text, "\r\n")
		if i < 0 {
			return append(append(dst, text...), '\n')
		}
		dst = append(append(dst, text[:i]...), '\n')
		if strings.HasPrefix(text[i:], "\r\n") {
			i++
		}
		text = text[i+1:]
	}
}

// EventStream is a response of server-sent events. Its methods are called on the
// handler's goroutine.
type EventStream struct {
	w    *Response
	ctx  context.Context
	last string
	buf  []byte
}

// Events begins a response of server-sent events, and sends its header section. Nothing
// is held back, compressed or kept by caches; a write that the client does not take
// within Config.WriteTimeout is an error, so a slow client slows only its own stream.
func (w *Response) Events(r *Request) (*EventStream, error) {
	w.NoCompress()
	err := errors.Join(
		w.SetHeader("Content-Type", "text/event-stream"),
		w.SetHeader("Cache-Control", "no-store"),
		w.SetHeader("X-Accel-Buffering", "no"), // nginx in front sends each event at once
	)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return nil, err
	}
	s := &EventStream{w: w, ctx: r.WatchClient(), last: r.Header("Last-Event-ID")}
	if w.head { // there is nothing to wait for
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		s.ctx = ctx
	}
	return s, nil
}

// Context ends when the client has gone, when the server begins to shut down and, at
// once, when the request was HEAD: see [Request.WatchClient].
func (s *EventStream) Context() context.Context { return s.ctx }

// LastEventID returns the ID of the last event that the client saw before its connection
// broke; "" when it is new here.
func (s *EventStream) LastEventID() string { return s.last }

// Send sends an event at once. Its error is [ErrEvent], after which the stream goes on, or
// that of the connection.
func (s *EventStream) Send(e Event) (err error) {
	if s.buf, err = AppendEvent(s.buf[:0], e); err != nil {
		return err
	}
	return s.flush()
}

// Comment sends a comment, which no page sees: a heartbeat keeps proxies from closing a
// quiet stream, and finds out clients that vanished without a word.
func (s *EventStream) Comment(text string) error {
	s.buf = append(appendLines(s.buf[:0], ":", text), '\n')
	return s.flush()
}

func (s *EventStream) flush() error {
	if _, err := s.w.Write(s.buf); err != nil {
		return err
	}
	return s.w.Flush()
}

// Pump sends what comes from events until that is closed or the stream's context ends,
// and a comment whenever nothing was sent for the time of heartbeat (0: 15 s). It returns
// nil then, and else the error of [EventStream.Send].
func (s *EventStream) Pump(events <-chan Event, heartbeat time.Duration) error {
	if heartbeat <= 0 {
		heartbeat = 15 * time.Second
	}
	t := time.NewTimer(heartbeat)
	defer t.Stop()
	for {
		var err error
		select {
		case <-s.ctx.Done():
			return nil
		case e, more := <-events:
			if !more {
				return nil
			}
			err = s.Send(e)
		case <-t.C:
			err = s.Comment("")
		}
		if err != nil {
			return err
		}
		t.Reset(heartbeat)
	}
}

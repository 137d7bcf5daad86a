package wire

import (
	"bytes"
	"context"
	"errors"
	"iter"
)

// ErrLine: a line that holds a line end.
var ErrLine = errors.New("wire: a line holds a line end")

// LineStream is a response of lines, such as JSON texts (NDJSON). Its methods are called
// on the handler's goroutine.
type LineStream struct {
	w   *Response
	ctx context.Context
}

// Lines begins a response of lines of a media type; "" is application/x-ndjson. It grows
// as long as it takes, in constant memory: lines are gathered to some 64 KiB, and Send
// waits while the client does not take them, up to Config.WriteTimeout.
func (w *Response) Lines(r *Request, mediaType string) (*LineStream, error) {
	if mediaType == "" {
		mediaType = "application/x-ndjson"
	}
	err := errors.Join(w.SetHeader("Content-Type", mediaType), w.SetHeader("X-Content-Type-Options", "nosniff"))
	if err != nil {
		return nil, err
	}
	return &LineStream{w: w, ctx: r.WatchClient()}, nil
}

// Context ends when the client has gone or the server begins to shut down.
func (s *LineStream) Context() context.Context { return s.ctx }

// Send adds a line, whose end it writes itself. Errors: [ErrLine], after which the stream
// goes on; [ErrClientGone] and [ErrServerClosed]; those of the connection.
func (s *LineStream) Send(line []byte) error {
	if bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
		return ErrLine
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if _, err := s.w.Write(line); err != nil {
		return err
	}
	_, err := s.w.WriteString("\n")
	return err
}

// Flush sends the lines so far. A source that pauses between lines calls it before it
// waits.
func (s *LineStream) Flush() error { return s.w.Flush() }

// All sends a sequence of lines, which is asked for the next line only when the client
// took those before. An error of it ends the response: by a status when nothing has been
// sent, and else so that the client sees that it is not whole.
func (s *LineStream) All(lines iter.Seq2[[]byte, error]) error {
	for line, err := range lines {
		if err == nil {
			err = s.Send(line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

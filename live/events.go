package live

import (
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Query returns the handler of a model's live query as server-sent events: the query string is
// that of a list. A client that comes back with Last-Event-ID is told what changed since.
func (s *Server) Query(model string) wire.Handler {
	return s.stream(model, func(c *Conn, r *wire.Request) error {
		m := subMessage{Model: model, Query: r.RawQuery()}
		m.From, m.Epoch = lastEventID(r)
		return s.subscribe(c, "0", &m)
	})
}

// lastEventID returns the sequence a client has seen, nil for none, and its epoch, if it has one.
func lastEventID(r *wire.Request) (from *uint64, epoch string) {
	text, epoch, _ := strings.Cut(r.Header("Last-Event-ID"), "@")
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, ""
	}
	return &seq, epoch
}

// stream serves a connection of events. What begin refuses is answered before the stream begins.
func (s *Server) stream(model string, start func(c *Conn, r *wire.Request) error) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		p, err := s.authenticate(r)
		if err != nil {
			return err
		}
		c, err := s.open(p, Events, nil, r.ClientAddr().String())
		if err != nil {
			return err
		}
		defer c.close()
		if err := start(c, r); err != nil {
			return s.status(err)
		}
		events, err := w.Events(r)
		if err != nil {
			return err
		}
		return c.serve(w, events)
	}
}

// status gives errors of a stream that has not begun their status.
func (s *Server) status(err error) error {
	e := s.public(err)
	statuses := map[string]int{"forbidden": 403, "unknown_model": 404, "internal": 500, "unavailable": 503, "too_many": 429, "gone": 410, "epoch": 410}
	status, ok := statuses[e.Code]
	if !ok {
		status = 400
	}
	return &wire.Error{Status: status, Code: e.Code, Detail: e.Detail, Err: err}
}

// serve sends what is queued until the client goes.
func (c *Conn) serve(w *wire.Response, events *wire.EventStream) error {
	beat := time.NewTicker(c.s.cfg.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-events.Context().Done():
			return nil
		case <-c.ctx.Done():
			return nil
		case <-beat.C:
			if err := events.Comment(""); err != nil {
				return nil // the client has gone
			}
		case <-c.wake:
			list := c.take()
			for _, q := range list {
				if _, err := w.Write(q.frame.Data); err != nil {
					return nil
				}
			}
			if err := w.Flush(); err != nil {
				return nil
			}
			c.sent(list)
		}
	}
}

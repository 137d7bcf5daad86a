package lithair

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// serveLog answers operators with the committed records of the log, one JSON document a line, from
// the index ?from on (0: only what comes), and goes on as they come.
func (a *App) serveLog(w *wire.Response, r *wire.Request) error {
	if !a.ready.Load() {
		return &wire.Error{Status: 503, Detail: "the application is starting"}
	}
	from := a.events.Durable() + 1
	if text := r.Query().Get("from"); text != "" && text != "0" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return &wire.Error{Status: 400, Detail: "from is no log index"}
		}
		if n > from {
			return &wire.Error{Status: 404, Detail: fmt.Sprintf("the log ends at index %d; the next record is %d, and %d may never come", from-1, from, n)}
		}
		from = max(n, a.events.First())
	}
	s, err := w.Lines(r, "")
	if err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return err
	}
	shown := cli.NewBook(a.engine.Root().Models())
	in := a.events.Reader(from)
	for last := uint64(0); ; {
		rec, err := in.Next(s.Context())
		if err != nil {
			if s.Context().Err() != nil || errors.Is(err, eventlog.ErrClosed) {
				return nil
			}
			return err
		}
		if rec.Index <= last {
			continue // it replaced one that was not committed, and was shown in its place
		}
		if rec.Kind == engine.KindBatch {
			first, _, err := engine.EntrySpan(rec.Payload)
			if err == nil {
				_, err = a.engine.Wait(s.Context(), first)
			}
			if err != nil {
				return nil // the client has gone, or the application stops
			}
			again, err := a.events.Read(rec.Index, 1)
			if err != nil || len(again) == 0 {
				return errors.Join(err, s.Flush())
			}
			rec = again[0]
		}
		last = rec.Index
		line, err := jsonx.Append(nil, shown.Read(rec))
		if err != nil {
			return err
		}
		if err := errors.Join(s.Send(line), s.Flush()); err != nil {
			return nil
		}
	}
}

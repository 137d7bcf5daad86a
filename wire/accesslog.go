package wire

import (
	"context"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// AccessLogConfig says what an access log writes. The zero value works.
type AccessLogConfig struct {
	Logger *slog.Logger // default slog.Default(), as it is when a request ends

	// Level returns the level of a record. Default: Error from status 500 on, Info below.
	Level func(status int) slog.Level

	// Attrs returns further attributes, such as the user. It is called after the handler,
	// and only for records that are written. Text of the client's choosing belongs into
	// [LogText].
	Attrs func(w *Response, r *Request) []slog.Attr
}

// AccessLog writes one record "request" per request when its handler is through: method,
// path (as sent, so percent-encoded), route, status, bytes (of body), duration,
// request_id, client, user_agent and, where the handler failed, error. Requests whose
// handler panics are logged, too, with status 500.
//
// No value can forge a line or move a terminal's cursor, whatever the handler of the
// logger does: control bytes and unprintable characters are escaped ([LogText]).
//
// A record that the logger does not want costs no allocation. The query is not logged:
// it often holds secrets.
func AccessLog(cfg AccessLogConfig) Middleware {
	if cfg.Level == nil {
		cfg.Level = func(status int) slog.Level {
			if status >= 500 {
				return slog.LevelError
			}
			return slog.LevelInfo
		}
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) (err error) {
			start := time.Now()
			returned := false
			defer func() { // without a recover: the panic goes on with its stack as it is
				if !returned {
					err = &Error{Status: 500, Detail: "a panic"}
				}
				cfg.write(w, r, err, start)
			}()
			err = next(w, r)
			returned = true
			return err
		}
	}
}

func (cfg *AccessLogConfig) write(w *Response, r *Request, err error, start time.Time) {
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	status := StatusOf(w, err)
	level := cfg.Level(status)
	ctx := r.Context()
	if !log.Enabled(ctx, level) {
		return
	}
	cfg.record(ctx, log, level, status, w, r, err, time.Since(start))
}

// record is apart from write so that its arrays do not burden calls that end there.
func (cfg *AccessLogConfig) record(ctx context.Context, log *slog.Logger, level slog.Level, status int, w *Response, r *Request, err error, took time.Duration) {
	var room [16]slog.Attr
	attrs := append(room[:0],
		slog.String("method", r.Method()), slog.String("path", LogText(r.rawTarget())), slog.String("route", r.Route()),
		slog.Int("status", status), slog.Int64("bytes", w.BytesWritten()), slog.Duration("duration", took),
		slog.String("request_id", LogText(r.ID())), slog.String("client", r.clientText()), slog.String("user_agent", LogText(r.Header("User-Agent"))))
	if err != nil {
		attrs = append(attrs, slog.String("error", LogText(err.Error())))
	}
	if cfg.Attrs != nil {
		attrs = append(attrs, cfg.Attrs(w, r)...)
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}

// rawTarget is the path as sent; of targets without one, the target.
func (r *Request) rawTarget() string {
	if p := r.RawPath(); p != "" {
		return p
	}
	return r.Target()
}

// clientText is the client's address for a log.
func (r *Request) clientText() string {
	if a := r.ClientAddr(); a.IsValid() {
		return a.String()
	}
	return "unknown"
}

// LogText returns s as it may stand in a line of a log or on a terminal: control bytes,
// unprintable characters (those that turn the direction of text among them), backslashes
// and broken UTF-8 become escapes as in Go source, and what exceeds 1 KiB is cut.
// Text that needs none of this is returned as it is.
func LogText(s string) string {
	const most = 1 << 10
	cut := len(s) > most
	if cut {
		s = s[:most]
	}
	clean := true
	for i, c := range s {
		if c == '\\' || !unicode.IsPrint(c) || c == utf8.RuneError && !utf8.ValidString(s[i:min(i+3, len(s))]) {
			clean = false
			break
		}
	}
	if !clean {
		b := make([]byte, 0, len(s)+16)
		for len(s) > 0 {
			c, n := utf8.DecodeRuneInString(s)
			if c == '"' { // a quote needs no escape here
				b = append(b, '"')
			} else {
				quoted := strconv.AppendQuote(nil, s[:n])
				b = append(b, quoted[1:len(quoted)-1]...)
			}
			s = s[n:]
		}
		s = string(b)
	}
	if cut {
		s += "..."
	}
	return s
}

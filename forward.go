package lithair

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// A request that writes is carried out by the leader. A node that follows hands it on whole,
// before any handler sees it: method, target, fields, body, who the client is and how long
// it waits. Where nobody leads, it waits for that. It sends a second time only what was
// surely not carried out, or what has an Idempotency-Key.

// maxReplayed is how large a body may be that is kept to be sent again.
const maxReplayed = 1 << 20

// Fields between nodes.
const (
	fieldTimeout = "Lithair-Timeout" // seconds the client still waits
	fieldOutcome = "Lithair-Outcome" // of a 503: none, nothing was carried out; or unknown
)

// goesToLeader says whether a request is one that the leader alone can answer.
func goesToLeader(r *wire.Request) bool {
	if isOperation(r.RawPath()) {
		return false
	}
	switch r.Method() {
	case "GET", "HEAD":
		return r.RawQuery() != "" && r.Query().Get("level") == "strong" // it goes through the log
	case "OPTIONS", "TRACE":
		return false
	}
	return true
}

// enter sees to it that a request is answered where it can be; here says that this node
// does. Otherwise it has been answered, or err is what to answer.
func (a *App) enter(w *wire.Response, r *wire.Request, c *cluster) (here bool, err error) {
	if err := c.refuses(); err != nil && !isOperation(r.RawPath()) {
		return false, notMade(err.Error())
	}
	if here, err = a.leads(w, r, c); here || err != nil {
		err = errors.Join(err, c.stamp(w))
	}
	return here, err
}

// leads brings a request to the leader; here says that this is the node. Otherwise the
// request is answered, or err is.
func (a *App) leads(w *wire.Response, r *wire.Request, c *cluster) (here bool, err error) {
	v, _ := c.node.View()
	if v.Leads || !goesToLeader(r) {
		return true, nil
	}
	if r.Context().Value(hopKey{}) != nil {
		return true, c.awaitLead(r.Context())
	}
	if r.RawQuery() != "" && r.Query().Has("redirect") {
		return false, a.redirect(w, r, c)
	}
	return false, a.forward(w, r, c)
}

// awaitLead waits until this node leads, where it is about to; else the node that asked looks
// for another one.
func (c *cluster) awaitLead(ctx context.Context) error {
	v, changed := c.node.View()
	for !v.Leads {
		if v.Leader != c.cfg.id {
			return notMade("node " + strconv.FormatUint(uint64(c.cfg.id), 10) + " does not lead")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notMade("no node leads")
		}
		v, changed = c.node.View()
	}
	return nil
}

// notMade answers a request that was not carried out and may be repeated.
func notMade(why string) *wire.Error {
	return &wire.Error{Status: 503, Code: rest.CodeUnavailable.Code, Title: rest.CodeUnavailable.Title,
		Detail: why + "; nothing was changed", Header: [][2]string{{"Retry-After", "1"}, {fieldOutcome, "none"}}}
}

// outcome says of a 503 whether something was carried out.
func outcome(e *wire.Error) *wire.Error {
	what := ""
	switch e.Code {
	case rest.CodeUnavailable.Code, rest.CodeNotCommitted.Code:
		what = "none"
	case rest.CodeUnknown.Code:
		what = "unknown"
	}
	if what == "" {
		return e
	}
	for _, h := range e.Header {
		if h[0] == fieldOutcome {
			return e
		}
	}
	e.Header = append(e.Header[:len(e.Header):len(e.Header)], [2]string{fieldOutcome, what})
	return e
}

// forward hands a request to the leader, again and again where that is safe.
func (a *App) forward(w *wire.Response, r *wire.Request, c *cluster) error {
	q, replay, err := a.handedOn(r)
	if err != nil {
		return err
	}
	ctx, doubt := r.Context(), false
	for {
		v, changed := c.node.View()
		if v.Leader != 0 && (v.Leads || v.Leader != c.cfg.id) {
			was, err := a.try(ctx, w, r, c, q, v.Leader, replay)
			if was == answered || err != nil {
				return err
			}
			doubt = doubt || was == doubtful
		}
		pause := time.NewTimer(forwardPause)
		select {
		case <-changed:
		case <-pause.C:
		case <-ctx.Done():
			if doubt {
				return notKnown("no node leads any more", context.Cause(ctx))
			}
			return notMade("no node leads")
		}
		pause.Stop()
	}
}

// attempt is what became of a request that was handed to a node.
type attempt int

const (
	untouched attempt = iota // it was not carried out
	doubtful                 // it may have been; with its Idempotency-Key it can be sent again
	answered                 // the client has its answer
)

// notKnown answers a request that may have been carried out.
func notKnown(why string, err error) *wire.Error {
	return &wire.Error{Status: 503, Code: rest.CodeUnknown.Code, Title: rest.CodeUnknown.Title, Err: err,
		Detail: why + "; it is not known whether the change was made", Header: [][2]string{{"Retry-After", "1"}, {fieldOutcome, "unknown"}}}
}

// forwardPause is how long a request waits before it is handed again to a leader that did not
// take it, when no other appears meanwhile.
const forwardPause = 20 * time.Millisecond

// handedOn is what goes to the leader of a request: with its body as it comes or, where replay
// is true, kept so that it can be sent again.
func (a *App) handedOn(r *wire.Request) (q *wire.ClientRequest, replay bool, err error) {
	q = &wire.ClientRequest{Method: r.Method(), Host: r.Header("Host"), Body: once{r.Body()}, Length: max(0, r.ContentLength()), NoResend: true}
	if n := r.ContentLength(); n == 0 || n > 0 && n <= maxReplayed {
		b, err := r.BorrowBody(maxReplayed)
		if err != nil {
			return nil, false, err
		}
		kept := bytes.Clone(b) // the connection's buffer is used again
		q.Body, replay = nil, true
		q.Rewind = func() (io.Reader, error) { return once{bytes.NewReader(kept)}, nil }
	}
	dropped := r.Header("Connection")
	for name, value := range r.Headers() {
		if !endToEnd(name, dropped) {
			continue
		}
		q.AddHeader(name, value)
	}
	if !r.HasHeader("Accept-Encoding") {
		q.AddHeader("Accept-Encoding", "identity") // the answer is handed on as it comes
	}
	q.SetHeader("X-Request-Id", r.ID())
	q.AddHeader("X-Forwarded-Proto", r.Scheme())
	if addr := r.ClientAddr(); addr.IsValid() {
		q.AddHeader("X-Forwarded-For", addr.String())
	}
	return q, replay, nil
}

// once hides what would let the client send a body again by itself: whether that is safe is
// decided here.
type once struct{ io.Reader }

// endToEnd says whether a field goes beyond this node (RFC 9110 §7.6.1). What a client says
// of who it is goes no further either: this node knows.
func endToEnd(name, connection string) bool {
	switch lower := strings.ToLower(name); lower {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host", "expect",
		"forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "lithair-timeout":
		return false
	default:
		for option := range strings.SplitSeq(connection, ",") {
			if strings.EqualFold(strings.TrimSpace(option), lower) {
				return false
			}
		}
	}
	return true
}

// try hands a request to one node. Where err is not nil, it is the answer.
func (a *App) try(ctx context.Context, w *wire.Response, r *wire.Request, c *cluster, q *wire.ClientRequest, to consensus.NodeID, replay bool) (was attempt, err error) {
	q.URL = nodeURL(to, originForm(r))
	if deadline, ok := ctx.Deadline(); ok {
		q.SetHeader(fieldTimeout, strconv.FormatFloat(time.Until(deadline).Seconds(), 'f', 3, 64))
	}
	if replay {
		if q.Body, err = q.Rewind(); err != nil {
			return untouched, err
		}
	}
	keyed := r.HasHeader("Idempotency-Key") || r.Method() == "GET" || r.Method() == "HEAD" // those change nothing
	asked, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan struct{})
	go c.giveUp(heard, to, cancel)
	res, err := c.client.Do(asked, q)
	close(heard)
	var failed *wire.ClientError
	switch {
	case errors.As(err, &failed) && failed.Stage == wire.StageRequest:
		return untouched, failed.Err // the client's own body or fields
	case errors.As(err, &failed) && unsent(failed.Stage):
		return untouched, nil
	case err != nil && replay && keyed && ctx.Err() == nil:
		return doubtful, nil // the first answer comes again, if there was one
	case err != nil:
		return doubtful, notKnown("the leader went away", err)
	}
	defer res.Close()
	if res.StatusCode() == 503 && replay {
		switch what := res.Header(fieldOutcome); {
		case what == "none":
			return untouched, nil
		case what == "unknown" && keyed:
			return doubtful, nil
		}
	}
	return answered, a.relay(ctx, w, res)
}

// giveUp cancels what a node was asked, a while after another one is known to lead: a process that is paused, or behind a network that drops
// everything, answers nothing and ends no connection, while one that lives says at once that it does not lead any more.
func (c *cluster) giveUp(heard <-chan struct{}, to consensus.NodeID, cancel func()) {
	for {
		v, changed := c.node.View()
		var late <-chan time.Time
		if v.Leader != 0 && v.Leader != to {
			late = time.After(supersededWait)
		}
		select {
		case <-changed:
		case <-late:
			cancel()
			return
		case <-heard:
			return
		}
	}
}

// supersededWait is how long the answer of a node is waited for that does not lead any more.
const supersededWait = time.Second

// originForm is a request's target as path and query (RFC 9112 §3.2.1).
func originForm(r *wire.Request) string {
	if q := r.RawQuery(); q != "" {
		return r.RawPath() + "?" + q
	}
	return r.RawPath()
}

// unsent says that nothing of a request has left at that stage.
func unsent(s wire.Stage) bool {
	return s == wire.StageDial || s == wire.StagePool || s == wire.StageTLS
}

// relay answers the client as the leader did, once this node has what was written: so that
// who reads here behind a write sees it.
func (a *App) relay(ctx context.Context, w *wire.Response, res *wire.ClientResponse) error {
	if seq, err := strconv.ParseUint(res.Header("Lithair-Index"), 10, 64); err == nil {
		wait, cancel := context.WithTimeout(ctx, catchUp)
		_, err = a.engine.Wait(wait, seq) // a node that lags answers all the same: it says which index it has
		cancel()
		if err != nil && ctx.Err() != nil {
			return err
		}
	}
	w.Status(res.StatusCode())
	w.DelHeader("X-Request-Id") // the leader has the same
	dropped := res.Header("Connection")
	for name, value := range res.Headers() {
		if !endToEnd(name, dropped) {
			continue
		}
		if err := w.AddHeader(name, value); err != nil {
			return err
		}
	}
	if n := res.ContentLength(); n >= 0 {
		if err := w.AddHeader("Content-Length", strconv.FormatInt(n, 10)); err != nil {
			return err
		}
	}
	_, err := io.Copy(w, res.Body())
	return err
}

// catchUp is how long a node that handed a write on waits until it has it itself.
const catchUp = time.Second

// redirect sends the client to the leader (RFC 9110 §15.4.8), at the address by which that
// node says clients reach it.
func (a *App) redirect(w *wire.Response, r *wire.Request, c *cluster) error {
	v, _ := c.node.View()
	if v.Leader == 0 {
		return notMade("no node leads")
	}
	p, err := c.ask(r.Context(), v.Leader, moment{})
	if err != nil {
		return notMade("the leader does not answer")
	}
	return w.Redirect(307, p.URL+withoutRedirect(originForm(r)))
}

// withoutRedirect takes ?redirect out of a target.
func withoutRedirect(target string) string {
	path, query, _ := strings.Cut(target, "?")
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(part, "="); name != "redirect" && part != "" {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return path
	}
	return path + "?" + strings.Join(kept, "&")
}

// stamp puts on an answer who led when it was made.
func (c *cluster) stamp(w *wire.Response) error {
	v, _ := c.node.View()
	return errors.Join(
		w.SetHeader("Lithair-Term", strconv.FormatUint(v.Term, 10)),
		w.SetHeader("Lithair-Leader", strconv.FormatUint(uint64(v.Leader), 10)))
}

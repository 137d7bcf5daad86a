package lithair

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// Remote queues over /live: the messages take, ack and nack do what the routes of the same names
// do. A connection may be with a node that follows, which hands them to the leader.

// queueCall is what is asked of a queue, as nodes hand it on.
type queueCall struct {
	Queue  string         `json:"queue"`
	Verb   string         `json:"verb"` // take, ack or nack
	Actor  string         `json:"actor,omitempty"`
	In     jsonx.RawValue `json:"in"`
	source *remoteQueue
}

// queueMessage is any message of a client about a queue.
type queueMessage struct {
	Ref     jsonx.RawValue `json:"ref"`
	Queue   string         `json:"queue"`
	Max     int            `json:"max"`
	LeaseMS int64          `json:"lease_ms"`
	Job     ID             `json:"job"`
	Lease   int            `json:"lease"`
	Error   string         `json:"error"`
}

// openQueues adds what clients may ask for.
func (a *App) openQueues() error {
	var err error
	for _, verb := range []string{"take", "ack", "nack"} {
		err = errors.Join(err, a.live.Handle(verb, func(c *live.Conn, data []byte) error { return a.queueMessage(c, verb, data) }))
	}
	return err
}

func (a *App) queueMessage(c *live.Conn, verb string, data []byte) error {
	var m queueMessage
	if err := jsonx.Unmarshal(data, &m); err != nil {
		return &live.Error{Code: "bad_message", Detail: err.Error()}
	}
	call := &queueCall{Queue: m.Queue, Verb: verb, source: a.remoteQueues[m.Queue]}
	if call.source == nil {
		return &live.Error{Code: "unknown_queue", Detail: "there is no queue " + strconv.Quote(cut(m.Queue, 60)) + " for programs elsewhere"}
	}
	p, _ := c.Principal().Value.(Principal)
	if err := a.guard.Authorize(p, Action{Verb: "command", Model: "queue-" + m.Queue + "-" + verb}); err != nil {
		return refusal(err)
	}
	call.Actor = p.ID
	var err error
	if verb == "take" {
		call.In, err = jsonx.Marshal(takeRequest{Max: m.Max, LeaseMS: m.LeaseMS})
	} else {
		if len(m.Error) > maxErrorBytes {
			m.Error = cut(m.Error, maxErrorBytes)
		}
		call.In, err = jsonx.Marshal(settleRequest{m.Job, m.Lease, m.Error})
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), a.cfg.RequestTimeout)
	defer cancel()
	body, err := a.queueCall(ctx, call)
	if err != nil {
		return queueFault(err)
	}
	f, err := live.NewFrame(queueAnswer(&m, body))
	if err != nil {
		return err
	}
	if !c.Send(f) { // what it took is given to others when the lease is over
		a.live.Kick(c.ID(), slowReader)
	}
	return nil
}

// queueAnswer is the frame with what a call returned, an object or nothing.
func queueAnswer(m *queueMessage, body []byte) []byte {
	ref := m.Ref
	if len(ref) == 0 {
		ref = jsonx.RawValue("null")
	}
	if body == nil {
		return append(append([]byte(`{"op":"ok","ref":`), ref...), '}')
	}
	b := append(append([]byte(`{"op":"jobs","ref":`), ref...), `,"queue":`...)
	return append(append(jsonx.AppendString(b, m.Queue), ','), body[1:]...)
}

// queueFault is an error as clients are told: by the code that an answer over HTTP would have.
func queueFault(err error) error {
	if errors.Is(err, ErrNotLeased) {
		return &live.Error{Code: "not_leased", Detail: "the job is done, or another has it by now", Err: err}
	}
	e := rest.ToError(err)
	switch {
	case e.Status == 409:
		return &live.Error{Code: "not_leased", Detail: e.Detail, Err: err}
	case e.Status >= 400 && e.Status < 500:
		return &live.Error{Code: "bad_message", Detail: e.Detail, Err: err}
	case e.Code == rest.CodeUnknown.Code:
		return &live.Error{Code: "unknown_outcome", Detail: e.Detail, Err: err}
	case e.Status == 503:
		return &live.Error{Code: "busy", Detail: e.Detail, Err: err}
	}
	return err
}

// queueCall carries a call out where the leader is.
func (a *App) queueCall(ctx context.Context, call *queueCall) ([]byte, error) {
	c := a.cluster.Load()
	if c == nil {
		return call.run(ctx, a)
	}
	for {
		v, changed := c.node.View()
		if v.Leads {
			return call.run(ctx, a)
		}
		if v.Leader != 0 && v.Leader != c.cfg.id {
			if body, done, err := c.handQueue(ctx, call, v.Leader); done || err != nil {
				return body, err
			}
		}
		pause := time.NewTimer(forwardPause)
		select {
		case <-changed:
		case <-pause.C:
		case <-ctx.Done():
			return nil, notMade("no node leads")
		}
		pause.Stop()
	}
}

// run carries a call out on the node that leads.
func (q *queueCall) run(ctx context.Context, a *App) ([]byte, error) {
	cmd := engine.Command{Name: "queue-" + q.Queue + "-" + q.Verb, Actor: q.Actor}
	cmd.Run = func(tx *engine.Tx) (answer engine.Answer, err error) {
		answer.Body, err = q.source.do(&Tx{tx: tx}, q.Verb, q.In)
		return answer, err
	}
	res, err := a.engine.Do(ctx, cmd)
	return res.Body, err
}

// do reads what is asked and answers with JSON, or with nothing.
func (r *remoteQueue) do(tx *Tx, verb string, in []byte) ([]byte, error) {
	if verb == "take" {
		var q takeRequest
		if err := jsonx.Unmarshal(in, &q); err != nil {
			return nil, err
		}
		out, err := r.take(tx, q)
		if err != nil {
			return nil, err
		}
		return jsonx.Marshal(out)
	}
	var q settleRequest
	if err := jsonx.Unmarshal(in, &q); err != nil {
		return nil, err
	}
	settle := r.ack
	if verb == "nack" {
		settle = r.nack
	}
	_, err := settle(tx, q)
	return nil, err
}

// queuePath is where nodes hand calls of queues to the leader, on the stream for requests alone.
const queuePath = "/_cluster/queue"

// maxQueueCall and maxQueueAnswer bound what nodes say to each other about queues.
const (
	maxQueueCall   = 64 << 10
	maxQueueAnswer = 2 * maxTakeBytes
)

// handQueue hands a call to the node that leads. With neither done nor err it was not carried out.
func (c *cluster) handQueue(ctx context.Context, call *queueCall, to consensus.NodeID) (body []byte, done bool, err error) {
	b, err := jsonx.Marshal(call)
	if err != nil {
		return nil, false, err
	}
	q := &wire.ClientRequest{Method: "POST", URL: nodeURL(to, queuePath), Body: once{bytes.NewReader(b)}, Length: int64(len(b))}
	res, err := c.client.Do(ctx, q)
	var failed *wire.ClientError
	if errors.As(err, &failed) && unsent(failed.Stage) {
		return nil, false, nil
	}
	unknown := &wire.Error{Status: 503, Code: rest.CodeUnknown.Code, Detail: "the leader went away; it is not known whether it was done"}
	if err != nil {
		unknown.Err = err
		return nil, true, unknown
	}
	body, err = res.ReadAll(maxQueueAnswer)
	if err = errors.Join(err, res.Close()); err != nil {
		unknown.Err = err
		return nil, true, unknown
	}
	switch {
	case res.StatusCode() == 200:
		return body, true, nil
	case res.StatusCode() == 204:
		return nil, true, nil
	case res.StatusCode() == 503 && res.Header(fieldOutcome) == "none":
		return nil, false, nil
	}
	var problem struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	if err := jsonx.Unmarshal(body, &problem); err != nil {
		return nil, true, errors.Join(errors.New("lithair: the leader's answer about a queue cannot be read"), err)
	}
	return nil, true, &wire.Error{Status: res.StatusCode(), Code: problem.Code, Detail: problem.Detail}
}

// serveQueue answers a call that another node hands on.
func (a *App) serveQueue(w *wire.Response, r *wire.Request, c *cluster) error {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.RequestTimeout)
	defer cancel()
	b, err := r.BorrowBody(maxQueueCall)
	if err != nil {
		return err
	}
	var call queueCall
	if err := jsonx.Unmarshal(bytes.Clone(b), &call); err != nil {
		return outcome(rest.ToError(err))
	}
	if call.source = a.remoteQueues[call.Queue]; call.source == nil {
		return &wire.Error{Status: 404, Detail: "this node has no queue of that name"}
	}
	if err := c.awaitLead(ctx); err != nil {
		return err
	}
	body, err := call.run(ctx, a)
	c.node.TellCommit()
	switch {
	case errors.Is(err, ErrNotLeased):
		return &wire.Error{Status: 409, Detail: err.Error()}
	case err != nil:
		return outcome(rest.ToError(err))
	case body == nil:
		w.Status(204)
		return nil
	}
	return w.Send(200, "application/json", body)
}

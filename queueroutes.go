package lithair

import (
	"cmp"
	"errors"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

// Bounds of what programs elsewhere ask of a queue.
const (
	maxTaken     = 100
	maxTakeBytes = 4 << 20 // of the values in one answer, a first one aside
	maxLease     = time.Hour
	defaultLease = 30 * time.Second
)

// takeRequest asks for jobs.
type takeRequest struct {
	Max     int   `json:"max,omitempty"`      // at most 100; default 1; fewer come where their values have more than 4 MiB
	LeaseMS int64 `json:"lease_ms,omitempty"` // until others may have them; at most an hour, default 30 s
}

// takenJob is a job that was taken. Lease goes back with what became of it.
type takenJob struct {
	ID       ID             `json:"id"`
	Value    jsonx.RawValue `json:"value"`
	Pushed   time.Time      `json:"pushed"`
	Until    time.Time      `json:"until"` // when others may have it
	Attempts int            `json:"attempts"`
	Lease    int            `json:"lease"`
}

type takeAnswer struct {
	Jobs []takenJob `json:"jobs"`
}

// settleRequest says what became of a job.
type settleRequest struct {
	ID    ID     `json:"id"`
	Lease int    `json:"lease"`
	Error string `json:"error,omitempty"` // of a job that failed
}

// RemoteQueue registers a queue whose jobs are done by other programs, over HTTP with any node:
//
//	POST /api/_queue/{name}/take  {"max":10,"lease_ms":30000} answers {"jobs":[{"id","value","lease",...}]}
//	POST /api/_queue/{name}/ack   {"id","lease"}              ends a job: 204
//	POST /api/_queue/{name}/nack  {"id","lease","error"}      has it tried again after a pause: 204
//
// take answers with fewer jobs than it was asked for where their values have more than 4 MiB, and with one at least.
// The same goes over /live, by the messages take, ack and nack of live/SPEC.md.
//
// A job that is neither within its lease is given to the next who asks, and after MaxAttempts it is a dead letter. ack
// and nack of a job that another has taken meanwhile, or that is done, are answered with 409. Who may is decided by [App.Authorize],
// as for all routes.
func RemoteQueue[T any](a *App, name string, o QueueOptions) *QueueOf[T] {
	q := newQueue[T](a, name)
	r := &remoteQueue{jobs: q.jobs, name: name, opts: o.withDefaults()}
	if a.remoteQueues == nil {
		a.remoteQueues = map[string]*remoteQueue{}
		a.note(a.openQueues())
	}
	a.remoteQueues[name] = r
	base := "POST /api/_queue/" + name
	RouteTx(a, Route{Pattern: base + "/take", Name: "queue-" + name + "-take", Summary: "Take jobs of the queue " + name}, r.take)
	RouteTx(a, Route{Pattern: base + "/ack", Name: "queue-" + name + "-ack", Summary: "End a job of the queue " + name, Errors: jobErrors}, r.ack)
	RouteTx(a, Route{Pattern: base + "/nack", Name: "queue-" + name + "-nack", Summary: "Have a job of the queue " + name + " tried again", Errors: jobErrors}, r.nack)
	return q
}

// ErrNotLeased: the job is done, or another has it by now.
var ErrNotLeased = errors.New("lithair: the job is not taken under that lease")

var jobErrors = []ErrorStatus{{ErrNotLeased, 409}}

type remoteQueue struct {
	jobs systemRecords[job]
	name string
	opts QueueOptions
}

func (r *remoteQueue) take(tx *Tx, in takeRequest) (out takeAnswer, err error) {
	in.Max = cmp.Or(in.Max, 1)
	lease := cmp.Or(time.Duration(in.LeaseMS)*time.Millisecond, defaultLease)
	if in.Max < 0 || in.Max > maxTaken || lease < 0 || lease > maxLease {
		return out, &wire.Error{Status: 400, Detail: "max is from 1 to 100, and lease_ms up to an hour"}
	}
	out.Jobs = []takenJob{}
	var due []job
	bytes, taken := 0, 0
	for j, err := range r.jobs.Range(tx, Span{Index: jobIndex, Equal: []any{r.name, false}}) {
		if err != nil {
			return out, err
		}
		if j.Due.After(tx.Now()) || len(due) == maxTaken {
			break
		}
		if j.Dead = j.Attempts >= r.opts.MaxAttempts; !j.Dead { // a dead one takes nobody's place
			if bytes += len(j.Payload); taken == in.Max || taken > 0 && bytes > maxTakeBytes {
				break
			}
			taken++
		}
		due = append(due, j)
	}
	for i := range due {
		j := &due[i]
		if j.Dead {
			j.Error = cmp.Or(j.Error, "it was taken as often as may be, and never acknowledged")
		} else {
			j.Attempts++
			j.Lease++
			j.Due = tx.Now().Add(lease)
			out.Jobs = append(out.Jobs, takenJob{j.ID, j.Payload, j.Pushed, j.Due, j.Attempts - 1, j.Lease})
		}
		if err := r.jobs.Put(tx, j); err != nil {
			return out, err
		}
	}
	return out, nil
}

// leased returns the job that a request is about.
func (r *remoteQueue) leased(tx *Tx, in settleRequest) (job, error) {
	j, err := r.jobs.Get(tx, in.ID)
	if errors.Is(err, ErrNotFound) || err == nil && (j.Queue != r.name || j.Dead || j.Lease != in.Lease || in.Lease == 0) {
		return j, ErrNotLeased
	}
	return j, err
}

func (r *remoteQueue) ack(tx *Tx, in settleRequest) (none struct{}, err error) {
	j, err := r.leased(tx, in)
	if err != nil {
		return none, err
	}
	return none, r.jobs.Delete(tx, j.ID)
}

func (r *remoteQueue) nack(tx *Tx, in settleRequest) (none struct{}, err error) {
	j, err := r.leased(tx, in)
	if err != nil {
		return none, err
	}
	j.Lease++
	j.Attempts-- // it was counted when it was taken
	j.fail(tx, &r.opts, errors.New(in.Error))
	return none, r.jobs.Put(tx, &j)
}

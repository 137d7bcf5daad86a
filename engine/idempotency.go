package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/model"
	"github.com/lithair/lithair-go/state"
)

// IdempotencyWindow is how long, in log time, an answer is kept for retries.
const IdempotencyWindow = 24 * time.Hour

// idempotencyBytes bounds the answers kept; the oldest go first when it is passed.
const idempotencyBytes = 64 << 20

// expireStep bounds how many answers one batch forgets, so that no batch is long.
const expireStep = 256

// stored is the answer kept for a key. It is a record of an ordinary model of the
// engine's own, so that replay, snapshots and hashes treat it as any other.
type stored struct {
	ID     model.ID  `json:"id" lithair:"primary_key"`
	Hash   []byte    `json:"hash"` // of the whole request
	Status int       `json:"status"`
	Header []string  `json:"header"` // name, value, name, value...
	Body   []byte    `json:"body"`
	At     time.Time `json:"at_time" lithair:"indexed"`
}

// storedName is the name of that model in the log.
const storedName = "_idempotency"

func newStoredTable() (*Table, error) {
	m, err := model.Of(reflect.TypeFor[stored]())
	if err != nil {
		return nil, err
	}
	m.Name = storedName
	return &Table{model: m}, nil
}

// storedID is the id under which the answer for a caller's key is kept.
func storedID(c *Command) (id model.ID) {
	h := sha256.New()
	h.Write(binenc.AppendString(nil, c.Actor))
	h.Write([]byte(c.IdemKey))
	copy(id[:], h.Sum(nil))
	return id
}

// replay returns the kept answer of an earlier try of the same command.
func (tx *Tx) replay(id model.ID) (ans Answer, seq uint64, found bool, err error) {
	t := tx.ex.stored
	key, err := t.Codec().Key(&stored{ID: id})
	if err != nil {
		return ans, 0, false, err
	}
	var s stored
	row, err := tx.Load(t, key, &s)
	if errors.Is(err, ErrNotFound) {
		return ans, 0, false, nil
	}
	if err != nil {
		return ans, 0, false, err
	}
	if tx.Now().Sub(s.At) > IdempotencyWindow {
		return ans, 0, false, tx.forget(key, row)
	}
	if !bytes.Equal(s.Hash, tx.call.cmd.IdemHash[:]) {
		return ans, 0, true, &IdempotencyError{Key: tx.call.cmd.IdemKey}
	}
	ans.Status, ans.Body = s.Status, s.Body
	for i := 0; i+1 < len(s.Header); i += 2 {
		ans.Header = append(ans.Header, [2]string{s.Header[i], s.Header[i+1]})
	}
	return ans, row.Seq(), true, nil
}

// remember keeps the answer in the transaction it belongs to, but for its body where that
// may hold what is sealed.
func (tx *Tx) remember(id model.ID, ans Answer) error {
	s := stored{ID: id, Hash: tx.call.cmd.IdemHash[:], Status: ans.Status, Body: ans.Body, At: tx.Now()}
	for _, h := range ans.Header {
		s.Header = append(s.Header, h[0], h[1])
	}
	if tx.private {
		s.Body = nil
	}
	before := len(tx.events)
	err := tx.Insert(tx.ex.stored, &s)
	tx.kept += int64(len(tx.events) - before)
	return err
}

func (tx *Tx) forget(key string, row *state.Row) error {
	tx.kept -= int64(len(row.Bytes()))
	return tx.Delete(tx.ex.stored, key)
}

// expire forgets answers that are too old or too many, oldest first. It runs as a
// system transaction in front of a batch.
func (tx *Tx) expire() error {
	t := tx.ex.stored
	number, at := t.Number(), t.Schema().Field("at_time").Number
	limit := string(binenc.AppendKeyTime(nil, tx.Now().Add(-IdempotencyWindow)))
	old := state.Range{To: limit}
	if tx.ex.kept > idempotencyBytes {
		old = state.Range{}
	}
	n := 0
	var keys []string
	for key := range tx.ScanIndex(number, at, old) {
		keys = append(keys, key)
		if n++; n == expireStep {
			break
		}
	}
	for _, key := range keys {
		row := tx.Get(number, key)
		if old.To == "" && tx.ex.kept+tx.kept <= idempotencyBytes {
			break
		}
		if err := tx.forget(key, row); err != nil {
			return err
		}
	}
	return nil
}

// expiryDue says whether expire has something to do at that time.
func (ex *Executor) expiryDue(now int64) bool {
	if ex.kept > idempotencyBytes {
		return true
	}
	if ex.stored.Schema() == nil || ex.head.Len(ex.stored.Number()) == 0 {
		return false
	}
	limit := binenc.AppendKeyTime(nil, time.Unix(0, now).Add(-IdempotencyWindow))
	for range ex.head.ScanIndex(ex.stored.Number(), ex.stored.Schema().Field("at_time").Number, state.Range{To: string(limit)}) {
		return true
	}
	return false
}

// measureKept adds up the bytes of the answers kept, when leadership begins.
func (ex *Executor) measureKept() {
	ex.kept = 0
	if ex.stored.Schema() == nil {
		return
	}
	for _, row := range ex.head.Scan(ex.stored.Number(), state.Range{}) {
		ex.kept += int64(len(row.Bytes()))
	}
}

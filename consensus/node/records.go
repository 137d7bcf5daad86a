package node

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/lithair/lithair-go/binenc"
	"github.com/lithair/lithair-go/consensus"
	"github.com/lithair/lithair-go/eventlog"
)

// RepairStream is the name of the stream on which members ask each other for records of their logs: questions
// and answers in turn, each behind its length in 4 bytes, little-endian.
const RepairStream = "repair"

// RepairRequest asks for records of a group, First to Last, as many of the first ones as one answer holds. With First 0
// it asks for none, but whether the member takes part, and who the members are, which one that runs says by a record of
// consensus.KindConfig at the index where they are in force; earlier releases say the first alone.
type RepairRequest struct{ Group, First, Last uint64 }

// answer is what a member says of a range.
type answer uint8

const (
	answerFound   answer = iota
	answerGone           // compacted away
	answerLacks          // its log does not reach so far
	answerDamaged        // it has damage there itself
	answerOther          // never sent: what it has are other records
)

// RepairAnswer is what a member has of them.
type RepairAnswer struct {
	state   answer
	Runs    bool              // it takes part in the cluster, and does not repair its own log
	Votes   bool              // and is a voter whose promises count: a new incarnation is none before it has caught up
	Records []eventlog.Record // the first is the one that was asked for
}

// The limits of the stream.
const (
	repairVersion  = 1
	redactedRecord = 1 << 8
	runsFlag       = 1 << 7  // in the byte of the state
	votesFlag      = 1 << 6  // in the same
	repairBytes    = 1 << 20 // of records in an answer, unless a single one is larger
	repairRecord   = 5 + 5*binary.MaxVarintLen64
	maxRepairCount = repairBytes / 16                   // of records in an answer: each counts for more bytes than that
	maxRepairFrame = 1<<30 + repairBytes + repairRecord // no record is larger than eventlog's largest
	repairTimeout  = 30 * time.Second                   // for a question and its answer
)

// ErrRepairMessage: what came on the stream is no question, or no answer.
var ErrRepairMessage = errors.New("node: not a message of the repair stream")

// answerRepair reads what is asked for.
func answerRepair(log *eventlog.Log, q RepairRequest) RepairAnswer {
	if q.First == 0 || q.First > q.Last || q.First > log.Durable() {
		return RepairAnswer{state: answerLacks}
	}
	recs, err := log.Read(q.First, repairBytes)
	switch {
	case errors.Is(err, eventlog.ErrCompacted):
		return RepairAnswer{state: answerGone}
	case len(recs) == 0 && err != nil:
		return RepairAnswer{state: answerDamaged}
	}
	for len(recs) > 0 && recs[len(recs)-1].Index > q.Last {
		recs = recs[:len(recs)-1]
	}
	return RepairAnswer{Records: recs} // those before a damaged one, too
}

// Records answers another member that repairs its log. The chain tells it whether they are those that it
// had, so it does not matter whether they are committed.
func (n *Node) Records(q RepairRequest) RepairAnswer {
	if q.Group != n.cfg.Group {
		return RepairAnswer{state: answerLacks}
	}
	a := answerRepair(n.log, q)
	n.mu.Lock()
	defer n.mu.Unlock()
	me, member := n.core.Status().Membership.Find(n.identity.ID)
	a.Runs = n.dead == nil && !n.closed
	a.Votes = a.Runs && member && me.Incarnation == n.identity.Incarnation && me.Role != consensus.Learner && me.Role != consensus.Incoming
	if q.First == 0 {
		a.Records = []eventlog.Record{{Index: n.identity.MembershipIndex, Kind: consensus.KindConfig, Payload: consensus.AppendMembership(nil, n.identity.Membership)}}
	}
	return a
}

// Append appends the encoding: version, group, first, last, as varints.
func (q RepairRequest) Append(b []byte) []byte {
	return binenc.AppendUvarint(binenc.AppendUvarint(binenc.AppendUvarint(append(b, repairVersion), q.Group), q.First), q.Last)
}

// ParseRepairRequest reads what Append wrote, all of b.
func ParseRepairRequest(b []byte) (q RepairRequest, err error) {
	if len(b) == 0 || b[0] != repairVersion {
		return q, ErrRepairMessage
	}
	r := binenc.NewReader(b[1:])
	q.Group, q.First, q.Last = r.Uvarint(), r.Uvarint(), r.Uvarint()
	if r.Err() != nil || r.Len() > 0 {
		return q, ErrRepairMessage
	}
	return q, nil
}

// Append appends the encoding: version, state (with runsFlag and votesFlag), and to the end { index term zigzag(time) kind length
// payload }. To the kind of a record that is redacted, redactedRecord is added.
func (a RepairAnswer) Append(b []byte) []byte {
	state := byte(a.state)
	if a.Runs {
		state |= runsFlag
	}
	if a.Votes {
		state |= votesFlag
	}
	b = append(b, repairVersion, state)
	for i := range a.Records {
		x := &a.Records[i]
		kind := uint64(x.Kind)
		if x.Redacted {
			kind |= redactedRecord
		}
		b = binenc.AppendVarint(binenc.AppendUvarint(binenc.AppendUvarint(b, x.Index), x.Term), x.Time)
		b = binenc.AppendBytes(binenc.AppendUvarint(b, kind), x.Payload)
	}
	return b
}

// ParseRepairAnswer reads what Append wrote, all of b, which must stay as it is.
func ParseRepairAnswer(b []byte) (a RepairAnswer, err error) {
	const flags = runsFlag | votesFlag
	if len(b) < 2 || b[0] != repairVersion || answer(b[1]&^flags) >= answerOther {
		return a, ErrRepairMessage
	}
	a.state, a.Runs, a.Votes = answer(b[1]&^flags), b[1]&runsFlag != 0, b[1]&votesFlag != 0
	for r := binenc.NewReader(b[2:]); r.Len() > 0; {
		x := eventlog.Record{Index: r.Uvarint(), Term: r.Uvarint(), Time: r.Varint()}
		kind := r.Uvarint()
		x.Kind, x.Redacted, x.Payload = uint8(kind), kind&redactedRecord != 0, r.Bytes()
		if r.Err() != nil || len(a.Records) == maxRepairCount || kind >= 2*redactedRecord || x.Redacted && len(x.Payload) != sha256.Size {
			return RepairAnswer{}, ErrRepairMessage
		}
		a.Records = append(a.Records, x)
	}
	return a, nil
}

// ServeRepair answers members that repair their logs, until the listener is closed.
func ServeRepair(l net.Listener, answer func(RepairRequest) RepairAnswer) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_ = serveRepair(c, answer) // who asked asks again
			_ = c.Close()
		}()
	}
}

func serveRepair(c net.Conn, answer func(RepairRequest) RepairAnswer) error {
	for in := bufio.NewReader(c); ; {
		if err := c.SetDeadline(time.Now().Add(repairTimeout)); err != nil {
			return err
		}
		b, err := readRepair(in, repairRecord)
		if err != nil {
			return err
		}
		q, err := ParseRepairRequest(b)
		if err != nil {
			return err
		}
		if err := writeRepair(c, answer(q).Append(make([]byte, 4))); err != nil {
			return err
		}
	}
}

// writeRepair sends what stands behind room for its length.
func writeRepair(c net.Conn, b []byte) error {
	order.PutUint32(b, uint32(len(b)-4))
	_, err := c.Write(b)
	return err
}

func readRepair(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(order.Uint32(head[:]))
	if n > int64(limit) {
		return nil, fmt.Errorf("%w: of %d bytes, the limit is %d", ErrRepairMessage, n, limit)
	}
	b, err := io.ReadAll(io.LimitReader(r, n)) // not allocated before it is there
	if err == nil && int64(len(b)) < n {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// FetchRecords asks a member for records, on a stream of its own.
//
// Errors: those of the network; [ErrUnknownNode]; [ErrRepairMessage].
func (t *TCP) FetchRecords(ctx context.Context, from consensus.NodeID, q RepairRequest) (a RepairAnswer, err error) {
	c, err := t.Dial(ctx, from, RepairStream)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(repairTimeout)); err != nil {
		return a, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := writeRepair(c, q.Append(make([]byte, 4))); err != nil {
		return a, err
	}
	b, err := readRepair(bufio.NewReader(c), maxRepairFrame)
	if err != nil {
		return a, err
	}
	return ParseRepairAnswer(b)
}

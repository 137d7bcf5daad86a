package lithair

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// moment is where nodes are held against each other: a sequence, for the hash of the state, and a log
// index, for the chain. The zero moment is the newest of each node.
type moment struct{ seq, index uint64 }

// query is a moment as nodes ask each other for it.
func (m moment) query() string {
	if m == (moment{}) {
		return ""
	}
	return fmt.Sprintf("?seq=%d&index=%d", m.seq, m.index)
}

func parseMoment(q wire.Query) (m moment, err error) {
	if !q.Has("seq") && !q.Has("index") {
		return m, nil
	}
	if m.seq, err = strconv.ParseUint(q.Get("seq"), 10, 64); err == nil {
		m.index, err = strconv.ParseUint(q.Get("index"), 10, 64)
	}
	if err != nil {
		return m, &wire.Error{Status: 400, Detail: "seq and index are two numbers"}
	}
	return m, nil
}

// aboutAt is what this node says of itself as it was at a moment.
func (a *App) aboutAt(ctx context.Context, c *cluster, m moment) (memberInfo, error) {
	info := a.about(c)
	if m == (moment{}) {
		return info, nil
	}
	root, err := a.engine.At(ctx, m.seq)
	if err != nil {
		return info, err
	}
	chain, err := a.events.ChainAt(m.index)
	if err != nil {
		return info, err
	}
	info.Seq, info.Hash, info.Chain = root.Seq(), fmt.Sprintf("%x", root.Hash()), hex.EncodeToString(chain[:])
	return info, nil
}

// agreement is whether the members of a cluster have the same, at a moment that all have come to.
type agreement struct {
	clusterStatus
	Sequence uint64   `json:"sequence"`  // at which states are compared
	LogIndex uint64   `json:"log_index"` // at which chains are
	Agree    bool     `json:"agree"`
	Problems []string `json:"problems"`
}

// agreement asks all members twice: how far they are, and what they had at the earliest of it.
func (a *App) agreement(ctx context.Context, c *cluster) agreement {
	at := earliest(a.clusterStatus(ctx, c, moment{}).Members)
	out := agreement{clusterStatus: a.clusterStatus(ctx, c, at), Sequence: at.seq, LogIndex: at.index, Problems: []string{}}
	out.compare()
	return out
}

// earliest is the newest moment that all members have come to that have anything: a new one that
// has nothing yet says so when it is asked, and the others are compared all the same.
func earliest(members []memberStatus) (at moment) {
	for _, m := range members {
		switch {
		case m.Error != "" || m.Applied == 0:
		case at == (moment{}):
			at = moment{m.Seq, m.Applied}
		default:
			at = moment{min(at.seq, m.Seq), min(at.index, m.Applied)}
		}
	}
	return at
}

// compare notes what the members do not agree on.
func (out *agreement) compare() {
	var model *memberStatus
	note := func(format string, args ...any) { out.Problems = append(out.Problems, fmt.Sprintf(format, args...)) }
	for i := range out.Members {
		m := &out.Members[i]
		switch {
		case m.Error != "":
			note("node %d cannot be compared: %s", m.ID, m.Error)
		case m.Leader != out.Leader || m.Term != out.Term:
			note("node %d knows node %d as the leader of term %d, node %d says it is node %d, of term %d", m.ID, m.Leader, m.Term, out.Node, out.Leader, out.Term)
		}
		if m.Removed {
			note("node %d has been removed from the cluster", m.ID)
		}
		if m.Fenced != "" { // it may differ behind the moment alone
			note("node %d is fenced: %s", m.ID, m.Fenced)
		}
		if m.Error != "" || model == nil {
			if m.Error == "" {
				model = m
			}
			continue
		}
		if m.Hash != model.Hash {
			note("node %d and node %d have different states at sequence %d: %s and %s", model.ID, m.ID, out.Sequence, model.Hash, m.Hash)
		}
		if m.Chain != model.Chain {
			note("node %d and node %d have different logs up to index %d: chain %s and %s", model.ID, m.ID, out.LogIndex, model.Chain, m.Chain)
		}
	}
	out.Agree = len(out.Problems) == 0
}

// serveAgreement answers GET /cluster/agreement on the operator's socket.
func (a *App) serveAgreement(w *wire.Response, r *wire.Request) error {
	c := a.cluster.Load()
	if c == nil {
		return errNoCluster
	}
	return sendJSON(w, a.agreement(r.Context(), c))
}

// serveNode answers what another node asks of this one.
func (a *App) serveNode(w *wire.Response, r *wire.Request, c *cluster) error {
	m, err := parseMoment(r.Query())
	if err != nil {
		return err
	}
	info, err := a.aboutAt(r.Context(), c, m)
	if err != nil {
		return rest.ToError(err)
	}
	return sendJSON(w, info)
}

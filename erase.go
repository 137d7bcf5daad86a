package lithair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// Erase destroys the key of a subject: what stands in sealed fields of records about it can
// not be read any more, in the newest state, in history, log and snapshots, and in backups
// that are made from now on. Such fields have no value then; the records stay, and so does
// the subject's own field. Nothing more can be sealed for the subject. It may be repeated. On
// return no file of this node's data directory holds the key; the other nodes of a cluster take
// it out of theirs as they hear of it, one that is away when it comes back.
//
// Backups made before, or under way, still hold the key: destroy those. So do segments that
// were archived, files put aside as damaged or by a restore, and, for a while, a medium that keeps what was
// overwritten, unless data is encrypted (Config.EncryptionKeyFile).
//
// Errors: ErrNotFound when nothing was ever sealed for the subject; as Update; those of the
// disk, with which the key may still stand in a file: the application tries again, and so
// may the caller.
func (a *App) Erase(ctx context.Context, subject string) error {
	return a.erase(ctx, erasure{Subject: subject, Actor: PrincipalOf(ctx).ID})
}

// erasure is an order to erase, as one node hands it to another.
type erasure struct {
	Subject string `json:"subject"`
	Actor   string `json:"actor,omitempty"`
	Handed  bool   `json:"handed,omitempty"` // from a node that does not lead: it goes no further
}

// erasePath is where nodes send such orders to each other.
const erasePath = "/_cluster/erase"

// erase has the leader erase, whichever node that is, and sees to the files of this one.
func (a *App) erase(ctx context.Context, x erasure) error {
	err := a.engine.Erase(ctx, x.Subject, x.Actor)
	if c := a.cluster.Load(); c != nil && !x.Handed && errors.Is(err, engine.ErrNotLeader) {
		err = a.handErasure(ctx, c, x)
	}
	if err != nil {
		return a.pointed(err)
	}
	a.log.Info("a subject was erased")
	return errors.Join(a.warnAside(a.logDir()), a.warnAside(a.snapshotDir()))
}

// handErasure has the leader erase, and waits until this node has heard of it and has dealt
// with its own files.
func (a *App) handErasure(ctx context.Context, c *cluster, x erasure) error {
	v, _ := c.node.View()
	if v.Leader == 0 || v.Leader == c.cfg.id {
		return notMade("no node leads")
	}
	x.Handed = true
	body, err := jsonx.Marshal(x)
	if err != nil {
		return err
	}
	res, err := c.client.Post(ctx, nodeURL(v.Leader, erasePath), "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	text, err := res.ReadAll(maxNodeInfo)
	if err = errors.Join(err, res.Close()); err != nil {
		return err
	}
	switch status := res.StatusCode(); status {
	case 204:
	case 404:
		return ErrNotFound
	default:
		return &wire.Error{Status: status, Detail: fmt.Sprintf("the node that leads could not erase: %.500s", text)}
	}
	if err := a.Barrier(ctx, engine.Linearizable); err != nil {
		return err
	}
	return a.engine.Erased(ctx)
}

// warnAside tells of files that were put aside as damaged, which no erasure looks at.
func (a *App) warnAside(dir string) error {
	names, err := a.cfg.FS.List(dir)
	for _, n := range names {
		if strings.HasSuffix(n, ".damaged") {
			a.log.Warn("a file that was put aside may still hold the key of an erased subject; remove it when it is of no use any more", "file", path.Join(dir, n))
		}
	}
	return err
}

// serveErase answers POST /erase on the operator's socket, {"subject": "..."}, and what another
// node hands on.
func (a *App) serveErase(w *wire.Response, r *wire.Request) error {
	if !a.ready.Load() {
		return &wire.Error{Status: 503, Detail: "the application is starting"}
	}
	body, err := r.BorrowBody(0)
	if err != nil {
		return err
	}
	var in erasure
	if err := jsonx.Unmarshal(body, &in, jsonx.RejectUnknownMembers()); err != nil {
		return rest.ToError(err)
	}
	switch err := a.erase(r.Context(), in); {
	case errors.Is(err, ErrNotFound):
		return &wire.Error{Status: 404, Detail: "nothing was ever sealed for that subject"}
	case err != nil:
		return rest.ToError(err)
	}
	w.Status(204)
	return nil
}

package lithair

import (
	"slices"
	"strconv"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/wire"
)

// shownConnection is a live connection of this node, as an operator sees it.
type shownConnection struct {
	ID          uint64    `json:"id"`
	User        string    `json:"user,omitempty"`
	Remote      string    `json:"remote"`
	Transport   string    `json:"transport"`
	Since       time.Time `json:"since"`
	QueuedBytes int       `json:"queued_bytes"`
}

// serveConnections answers GET /connections on the operator's socket, with ?user= those of one user.
func (a *App) serveConnections(w *wire.Response, r *wire.Request) error {
	list := []shownConnection{}
	user, one := r.Query().Get("user"), r.Query().Has("user")
	for _, c := range a.live.Conns() {
		if !one || c.Principal.ID == user {
			list = append(list, shownConnection{c.ID, c.Principal.ID, c.Remote, c.Transport, c.Since.UTC(), c.Queued})
		}
	}
	slices.SortFunc(list, func(a, b shownConnection) int { return int(int64(a.ID) - int64(b.ID)) })
	b, err := jsonx.Marshal(map[string]any{"connections": list})
	if err != nil {
		return err
	}
	return w.Send(200, "application/json", b)
}

// kickRequest says which connections are to end: one, or all of a user.
type kickRequest struct {
	ID   uint64 `json:"id,omitempty"`
	User string `json:"user,omitempty"`
}

// serveKick answers POST /connections/kick on the operator's socket with how many connections ended. Clients
// come again; who is not to must lose the right to connect.
func (a *App) serveKick(w *wire.Response, r *wire.Request) error {
	body, err := r.BorrowBody(0)
	if err != nil {
		return err
	}
	var in kickRequest
	if err := jsonx.Unmarshal(body, &in, jsonx.RejectUnknownMembers()); err != nil {
		return rest.ToError(err)
	}
	if (in.ID == 0) == (in.User == "") {
		return &wire.Error{Status: 400, Detail: "name a connection by its id, or a user"}
	}
	n := 0
	for _, c := range a.live.Conns() {
		if (c.ID == in.ID || in.User != "" && c.Principal.ID == in.User) && a.live.Kick(c.ID, "ended by an operator") {
			n++
		}
	}
	if n == 0 {
		return &wire.Error{Status: 404, Detail: "there is no such connection on this node"}
	}
	return w.Send(200, "application/json", append(strconv.AppendInt([]byte(`{"ended":`), int64(n), 10), '}'))
}

package lithair

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/rest"
	"github.com/lithair/lithair-go/sdk/js"
	"github.com/lithair/lithair-go/wire"
)

// openLive makes the server of live queries and its route /live.
func (a *App) openLive() (err error) {
	a.live, err = live.NewServer(live.Config{
		Source: a.engine,
		Models: func() []live.Model { return a.liveViews },
		Guard:  liveGuard{a.guard},
		Node:   func() string { return a.identity.NodeID.String() },
		Epoch:  a.liveEpoch,
		Logger: slog.New(lateHandler{a: a}),
	})
	if err != nil {
		return err
	}
	a.liveStats()
	return errors.Join(a.router.Get("/live", a.endless(a.live.Upgrade)), a.router.Get("/live/lithair.js", serveModule))
}

// serveModule serves the client for browsers.
func serveModule(w *wire.Response, r *wire.Request) error {
	if err := w.SetHeader("Cache-Control", "no-cache"); err != nil {
		return err
	}
	return w.ServeContent(r, wire.Content{Body: bytes.NewReader(js.Module), Size: int64(len(js.Module)), Type: "text/javascript; charset=utf-8", ETag: moduleTag()})
}

var moduleTag = sync.OnceValue(func() string {
	sum := sha256.Sum256(js.Module)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
})

// liveEpoch names the data: on a node that stands alone by what was drawn when its directory was made, or a backup was restored
// there; in a cluster by the history that its membership names, which is the same on all nodes. It is empty where
// the cluster's format has none yet.
func (a *App) liveEpoch() string {
	if a.cfg.Cluster == "" {
		return a.identity.ClusterID.String()
	}
	c := a.cluster.Load()
	if c == nil {
		return ""
	}
	if h := c.node.History(); h != 0 {
		return fmt.Sprintf("%016x", h)
	}
	return ""
}

// liveStats registers the figures of live queries and feeds.
func (a *App) liveStats() {
	m := a.metrics
	gauge := func(name, help string, fn func(f live.Figures) int) {
		m.GaugeFunc("lithair_live_"+name, help, func() float64 { return float64(fn(a.live.Figures())) })
	}
	counter := func(name, help string, fn func(f live.Figures) uint64) {
		m.CounterFunc("lithair_live_"+name+"_total", help, func() float64 { return float64(fn(a.live.Figures())) })
	}
	gauge("connections", "Open live connections, WebSocket and event streams.", func(f live.Figures) int { return f.Connections })
	gauge("subscriptions", "Live queries that connections follow.", func(f live.Figures) int { return f.Subscriptions })
	gauge("queries", "Different live queries: equal ones are one.", func(f live.Figures) int { return f.Queries })
	gauge("feeds", "Event feeds that connections follow.", func(f live.Figures) int { return f.Feeds })
	counter("matches", "Changes of records that concerned a live query.", func(f live.Figures) uint64 { return f.Matched })
	counter("frames_encoded", "Frames with changes that were encoded; those of equal subscriptions are encoded once.", func(f live.Figures) uint64 { return f.Encoded })
	counter("frames_sent", "Frames of live queries that were handed to connections.", func(f live.Figures) uint64 { return f.Sent })
	counter("held", "Times that a connection had no room, and was told later.", func(f live.Figures) uint64 { return f.Held })
	counter("resyncs", "Subscriptions that came back with a position that was of no use.", func(f live.Figures) uint64 { return f.Resynced })
	counter("events_sent", "Events that feeds sent.", func(f live.Figures) uint64 { return f.Events })
	counter("cut", "Connections ended from here: too many messages, expired, revoked, by an operator.", func(f live.Figures) uint64 { return f.Cut })
}

// mountLive serves a model's live queries and events below its path.
func (a *App) mountLive(t *engine.Table, readable *rest.ReadRule, path string) {
	view := rest.NewView(t, readable)
	a.liveViews = append(a.liveViews, view)
	a.note(a.router.Get(path+"/live", a.endless(a.live.Query(view.Name()))))
	a.note(a.router.Get(path+"/stream", a.endless(a.live.Stream(view.Name()))))
}

// endless lets a request last longer than others may, once the models are declared.
func (a *App) endless(h wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		if err := a.engine.Declared(r.Context()); err != nil {
			return err
		}
		if c, ok := r.Context().(*requestContext); ok {
			r.SetContext(c.Context)
		}
		return h(w, r)
	}
}

// Live returns the server of live queries and event feeds, which answers on /live over WebSocket
// and below each model's path by server-sent events: its connections can be listed and ended.
func (a *App) Live() *live.Server { return a.live }

// AuthenticateToken sets the function that finds out whom a token is for, with which a live
// connection goes on when the one it began with is about to expire, or begins where a browser cannot set
// the header Authorization: by the subprotocol lithair.token. and the token in base64url. Without it tokens are
// refused, and connections end when theirs expires.
func (a *App) AuthenticateToken(fn func(token string) (Principal, error)) {
	a.guard.authenticateToken = fn
}

// endLive ends all live connections: what their clients have would stand still. They come again, to another node, or are refused.
func (a *App) endLive(why string) {
	for _, c := range a.live.Conns() {
		a.live.Kick(c.ID, why)
	}
}

// liveSpread is the time over which live connections are sent away when the application stops.
func (a *App) liveSpread() time.Duration { return min(a.cfg.ShutdownTimeout/4, 2*time.Second) }

// liveGuard is the guard as package live asks it.
type liveGuard struct{ g *guard }

func livePrincipal(p Principal) live.Principal {
	return live.Principal{ID: p.ID, Expiry: p.Expiry, Revoked: p.Revoked, Value: p}
}

// Authenticate implements live.Guard.
func (l liveGuard) Authenticate(r *wire.Request) (live.Principal, error) {
	p, err := l.authenticate(r)
	if err != nil {
		return live.Principal{}, refused(rest.CodeUnauthorized, err)
	}
	return livePrincipal(p), nil
}

// tokenProtocol begins the subprotocol by which a browser, which cannot set headers of a WebSocket, says its token in
// base64url.
const tokenProtocol = "lithair.token."

func (l liveGuard) authenticate(r *wire.Request) (Principal, error) {
	if l.g.authenticateToken == nil || r.Header("Authorization") != "" {
		return l.g.Authenticate(r)
	}
	for _, offered := range strings.Split(r.Header("Sec-WebSocket-Protocol"), ",") {
		if text, is := strings.CutPrefix(strings.TrimSpace(offered), tokenProtocol); is {
			token, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil {
				return Principal{}, &wire.Error{Status: 400, Detail: "the token of the subprotocol " + tokenProtocol + " is not base64url", Err: err}
			}
			return l.g.authenticateToken(string(token))
		}
	}
	return l.g.Authenticate(r)
}

var errNoTokens = errors.New("lithair: no function takes tokens, see App.AuthenticateToken")

// Renew implements live.Guard.
func (l liveGuard) Renew(_ live.Principal, token string) (live.Principal, error) {
	if l.g.authenticateToken == nil {
		return live.Principal{}, errNoTokens
	}
	p, err := l.g.authenticateToken(token)
	return livePrincipal(p), err
}

// Authorize implements live.Guard.
func (l liveGuard) Authorize(p live.Principal, verb, model, key string) error {
	who, _ := p.Value.(Principal)
	return l.g.Authorize(who, Action{Verb: verb, Model: model, Key: key})
}

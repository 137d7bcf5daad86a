package main

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
	"github.com/lithair/lithair-go/wire"
)

//go:embed templates static
var files embed.FS

// chat is the application: channels, messages, rooms and one page.
type chat struct {
	*Models
	app   *lithair.App
	pages *web.Pages
}

// newChat puts models, operations, rooms and the page on an app.
func newChat(app *lithair.App) (*chat, error) {
	c := &chat{app: app, Models: Register(app)}
	var err error
	if c.pages, err = web.ParsePages(files, nil); err != nil {
		return nil, err
	}
	app.Use(web.ScriptHeaders, web.SameOrigin)
	app.Authenticate(authenticate)
	app.Authorize(authorize)
	lithair.Room(app, "channel/{name}", lithair.RoomOptions{Presence: true, MaxBytes: 1 << 10})
	for path, contentType := range map[string]string{"/chat.js": "text/javascript; charset=utf-8", "/chat.css": "text/css; charset=utf-8"} {
		h, err := web.File(files, "static"+path, contentType)
		if err != nil {
			return nil, err
		}
		app.Get(path, h)
	}
	app.Get("/{$}", c.home)
	app.Get("/c/{channel}", c.page)
	app.Post("/name", c.name)
	app.Post("/leave", c.leave)
	return c, nil
}

// firstChannel is where everybody comes in.
const firstChannel = "general"

// furnish returns when there are channels, and makes the first ones where there are none. In a cluster that is for the node that leads; the
// others wait until they have them, and try again, since who was about to do it may have lost its office before.
func (c *chat) furnish(ctx context.Context) error {
	for {
		err := c.app.Update(ctx, c.firstChannels)
		if !errors.Is(err, lithair.ErrNotLeader) {
			return err
		}
		has := false
		if err := c.app.View(func(s *lithair.Snapshot) error { has = c.Channels.Len(s) > 0; return nil }); err != nil || has {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *chat) firstChannels(tx *lithair.Tx) error {
	if c.Channels.Len(tx) > 0 {
		return nil
	}
	for _, ch := range []Channel{
		{Name: firstChannel, Topic: "Whatever comes to mind"},
		{Name: "help", Topic: "Ask, and somebody may know"},
		{Name: "random", Topic: "Off topic is the topic"},
	} {
		if err := c.Channels.Insert(tx, &ch); err != nil {
			return err
		}
	}
	return nil
}

// nameCookie has somebody's name, in base64url, as a cookie is ASCII.
const nameCookie = "chat_name"

// authenticate believes the cookie: a demonstration of names, and no identity.
func authenticate(r *wire.Request) (lithair.Principal, error) {
	text, ok := r.Cookie(nameCookie)
	if !ok {
		return lithair.Principal{}, nil
	}
	name, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !goodName(string(name)) {
		return lithair.Principal{}, nil
	}
	return lithair.Principal{ID: string(name)}, nil
}

// maxName is the longest name, in characters.
const maxName = 24

// goodName says whether a name can be shown in one line and told from others.
func goodName(name string) bool {
	if name == "" || name != strings.Join(strings.Fields(name), " ") || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName {
		return false
	}
	for _, r := range name {
		if !unicode.IsPrint(r) { // this leaves out what changes the direction of the text around it, too
			return false
		}
	}
	return true
}

// authorize lets who has a name read, open channels, join their rooms and say things; nobody writes messages as
// records, or changes what is there. Pages are for all.
func authorize(p lithair.Principal, a lithair.Action) error {
	if a.Verb == "call" {
		return nil
	}
	if p.ID == "" {
		return &wire.Error{Status: 401, Detail: "say who you are first"}
	}
	switch a.Verb {
	case "list", "count", "read", "feed", "join", "send", "command":
		return nil
	case "create":
		if a.Model == "Channel" {
			return nil
		}
	}
	return &wire.Error{Status: 403, Detail: "what was said stays as it is"}
}

// pageData is what the page is rendered from; the script does the rest.
type pageData struct {
	Name    string // of who reads; empty: the page asks for one
	Channel string
	MaxName int
	Refused string // why a name was not taken
	Typed   string
}

func (c *chat) home(w *wire.Response, r *wire.Request) error {
	return w.Redirect(303, "/c/"+firstChannel)
}

func (c *chat) page(w *wire.Response, r *wire.Request) error {
	p, err := authenticate(r)
	if err != nil {
		return err
	}
	d := pageData{Name: p.ID, Channel: r.PathValue("channel"), MaxName: maxName}
	return c.pages.Render(w, 200, "chat.html", d)
}

// name takes a name and goes back to the channel.
func (c *chat) name(w *wire.Response, r *wire.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	channel := form.Get("channel")
	typed := strings.Join(strings.Fields(form.Get("name")), " ")
	if !goodName(typed) {
		d := pageData{Channel: channel, MaxName: maxName, Typed: typed, Refused: "A name has 1 to 24 characters that can be seen."}
		return c.pages.Render(w, 422, "chat.html", d)
	}
	return c.setName(w, channel, typed, 30*24*time.Hour)
}

// leave forgets the name.
func (c *chat) leave(w *wire.Response, r *wire.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	return c.setName(w, form.Get("channel"), "", -1)
}

func (c *chat) setName(w *wire.Response, channel, name string, age time.Duration) error {
	err := w.SetCookie(wire.Cookie{Name: nameCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(name)), MaxAge: age,
		PlainHTTP: true}) // the example has no TLS
	if err != nil {
		return err
	}
	return w.Redirect(303, "/c/"+url.PathEscape(channel))
}

// Command chat is channels that people talk in: what is said is kept, who is there and who is typing is not.
//
//	go run ./examples/chat            # http://127.0.0.1:8080, in two browsers side by side
//
// Messages are records of a model, which a live query shows; presence and typing are those of rooms, in memory alone. Kill it with
// kill -9 and start it again: open pages go on by themselves, with every message that was sent, once.
//
// With -cluster, -node-id and -peers it runs on several nodes; who is at one sees who is at another.
//
// Names are a demonstration and no identity: a cookie says who somebody is, without a password, and
// whoever writes another name into it is believed. An application asks for a proof in authenticate, and leaves the rest.
package main

//go:generate go run ../../cmd/lithair gen

import (
	"context"
	"fmt"
	"os"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/examples/internal/web"
)

func main() {
	app := lithair.New(lithair.Config{Name: "chat"})
	c, err := newChat(app)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
	web.AfterStart(app, func() {
		if err := c.furnish(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "chat: the first channels:", err)
		}
	})
	app.Run("127.0.0.1:8080")
}

package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// TestRecordsAndEvents: what is said is found by its channel, and those who listen to commits are told of it in order, and of what goes
// with its channel.
func TestRecordsAndEvents(t *testing.T) {
	app := lithair.New(lithair.Config{Name: "chat", Addr: "127.0.0.1:0", Dir: t.TempDir(), LogLevel: "error"})
	c, err := newChat(app)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 100)
	c.Channels.OnCommit("channels", ChannelEvents{
		Created: func(_ context.Context, e ChannelCreated) error { told <- "channel " + e.Channel.Name; return nil },
		Updated: func(_ context.Context, e ChannelUpdated) error {
			told <- fmt.Sprint(e.Name, " is about ", e.Topic.To, ", set: ", e.Topic.Set, e.CreatedAt.Set)
			return nil
		},
		Deleted: func(_ context.Context, e ChannelDeleted) error { told <- "no channel " + e.Name; return nil },
	})
	c.Messages.OnCommit("messages", MessageEvents{
		Created: func(_ context.Context, e MessageCreated) error { told <- "message " + e.Message.Text; return nil },
		Updated: func(_ context.Context, e MessageUpdated) error { told <- "now " + e.Text.To; return nil },
		Deleted: func(_ context.Context, e MessageDeleted) error { told <- "message gone"; return nil },
	})
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := app.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	awaits := func(want ...string) { // hooks of two models have no order between them
		t.Helper()
		var got []string
		for range want {
			select {
			case s := <-told:
				got = append(got, s)
			case <-time.After(30 * time.Second):
				t.Fatalf("told %q, want %q", got, want)
			}
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Fatalf("told %q, want %q", got, want)
		}
	}
	change := func(fn func(tx *lithair.Tx) error) {
		t.Helper()
		if err := app.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.furnish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.furnish(t.Context()); err != nil { // they are there
		t.Fatal(err)
	}
	awaits("channel general", "channel help", "channel random")

	var said [3]Message
	change(func(tx *lithair.Tx) (err error) {
		for i, ch := range []string{"help", "random", "help"} {
			if said[i], err = c.Talk.Say(tx, Saying{Channel: ch, Text: fmt.Sprint("words ", i), Nonce: fmt.Sprint("0123456789abcdef", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	awaits("message words 0", "message words 1", "message words 2")
	err = app.View(func(s *lithair.Snapshot) error {
		var help, about []string
		for m, err := range c.Messages.ByChannel(s, "help") {
			if err != nil {
				return err
			}
			help = append(help, m.Text)
		}
		for m, err := range c.Messages.Where(s, MessageField.Text.Is("words 1")) {
			if err != nil {
				return err
			}
			about = append(about, m.Channel)
		}
		for ch, err := range c.Channels.Where(s, ChannelField.Name.Is("random")) {
			if err != nil {
				return err
			}
			about = append(about, ch.Topic)
		}
		if !slices.Equal(help, []string{"words 0", "words 2"}) || !slices.Equal(about, []string{"random", "Off topic is the topic"}) {
			t.Errorf("%q, %q", help, about)
		}
		m, err := c.Messages.Get(s, said[1].ID)
		if m.Text != "words 1" {
			t.Errorf("%+v", m)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	change(func(tx *lithair.Tx) error {
		ch, err := c.Channels.Get(tx, "help")
		if err != nil {
			return err
		}
		ch.Topic = "answers"
		m := said[2]
		m.Text = "other words"
		if err := c.Messages.Put(tx, &m); err != nil {
			return err
		}
		return c.Channels.Put(tx, &ch)
	})
	awaits("help is about answers, set: true false", "now other words")
	change(func(tx *lithair.Tx) error {
		if err := c.Messages.Delete(tx, said[1].ID); err != nil {
			return err
		}
		return c.Channels.Delete(tx, "help") // and what was said there
	})
	awaits("message gone", "message gone", "message gone", "no channel help")
}

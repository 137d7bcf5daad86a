package sample

import (
	"context"
	"errors"
	"fmt"
	"testing"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/lithairtest"
)

// TestGeneratedEvents emits and hears custom events by the members that are generated for them.
func TestGeneratedEvents(t *testing.T) {
	seen := make(chan string, 2)
	var models *Models
	app := lithairtest.Start(t, func(cfg lithair.Config) *lithair.App {
		app := lithair.New(cfg)
		models = Register(app)
		models.Articles.OnPublished("published", func(_ context.Context, e lithair.Event[Article], event Published) error {
			seen <- fmt.Sprintf("%s by %s", e.Name, event.By)
			return nil
		})
		models.Articles.OnCommitEvent("counted", func(_ context.Context, e lithair.Event[Article], event *Commit) error {
			seen <- fmt.Sprintf("%s of %d", e.Name, event.Views)
			return nil
		})
		return app
	}, lithairtest.Options{})
	article := Article{Slug: "a", Title: "A", Draft: true}
	err := app.Update(t.Context(), func(tx *lithair.Tx) error {
		return errors.Join(models.Articles.Insert(tx, &article), models.Articles.EmitPublished(tx, article.ID, Published{By: "ann"}), models.Articles.EmitCommit(tx, article.ID, &Commit{Views: 3}))
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-seen: true, <-seen: true}
	if !got["Published by ann"] || !got["Commit of 3"] {
		t.Error(got)
	}
	err = app.Update(t.Context(), func(tx *lithair.Tx) error { return models.Articles.EmitPublished(tx, article.ID, Published{}) })
	if !errors.Is(err, ErrPublished) {
		t.Error(err)
	}
}

package lithairtest_test

import (
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/lithairtest"
)

// Reminder is a record of the application under test.
type Reminder struct {
	ID   string `json:"id" lithair:"primary_key"`
	Text string `json:"text"`
}

// newReminders makes the application, as its main does, and does not start it.
func newReminders(cfg lithair.Config) *lithair.App {
	app := lithair.New(cfg)
	lithair.Model[Reminder](app, "/api/reminders")
	return app
}

// A test of a whole application: what was answered is there after a restart.
func TestReminders(t *testing.T) {
	app := lithairtest.Start(t, newReminders, lithairtest.Options{})
	app.Want("POST", "/api/reminders", `{"id":"1","text":"water the plants"}`, 201, `"water the plants"`)
	app.Clock.Advance(24 * time.Hour)
	app.Restart()
	app.Want("GET", "/api/reminders/1", "", 200, `"water the plants"`)
}

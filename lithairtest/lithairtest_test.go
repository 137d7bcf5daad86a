package lithairtest_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/lithairtest"
)

type note struct {
	ID        lithair.ID `json:"id" lithair:"primary_key"`
	Text      string     `json:"text" http:"validate=non_empty"`
	CreatedAt time.Time  `json:"created_at" lithair:"created"`
}

func newApp(cfg lithair.Config) *lithair.App {
	app := lithair.New(cfg)
	lithair.Model[note](app, "/api/notes")
	return app
}

// TestApp: requests, the clock and a restart, in memory and on disk, with and without a port.
func TestApp(t *testing.T) {
	for _, o := range []lithairtest.Options{{}, {Port: true}, {Dir: t.TempDir()}} {
		t.Run(fmt.Sprintf("port %t, on disk %t", o.Port, o.Dir != ""), func(t *testing.T) {
			app := lithairtest.Start(t, newApp, o)
			if o.Port != strings.HasPrefix(app.URL, "http://127.0.0.1:") {
				t.Errorf("URL is %q", app.URL)
			}
			var made note
			app.Want("POST", "/api/notes", `{"text":"one"}`, 201, `"text":"one"`).JSON(&made)
			if d := made.CreatedAt.Sub(lithairtest.Epoch); d < 0 || d > time.Second {
				t.Errorf("created at %s", made.CreatedAt)
			}
			app.Clock.Advance(24 * time.Hour)
			app.Restart()
			app.Want("POST", "/api/notes", `{"text":"two"}`, 201).JSON(&made)
			if d := made.CreatedAt.Sub(lithairtest.Epoch); d < 24*time.Hour || d > 24*time.Hour+time.Second {
				t.Errorf("created at %s", made.CreatedAt)
			}
			app.Want("GET", "/api/notes", "", 200, `"total":2`)
			app.Do("GET", "/api/notes?sort=created_at", "").Golden("notes")
			app.Do("POST", "/api/notes", `{"text":""}`, "X-Request-Id", "r").Golden("refused")
			if got := app.Do("GET", "/api/notes/"+made.ID.String(), "", "If-None-Match", `"3"`).Header("Lithair-Index"); got != "3" {
				t.Errorf("index %q", got)
			}
		})
	}
}

// own is a flag -update as a user's package may define it; nil where it does not.
var own *bool

func init() {
	if os.Getenv("LITHAIRTEST_OWN_FLAG") != "" {
		own = flag.Bool("update", false, "")
	}
}

// TestUpdateFlag: -update is taken beside a flag of that name of another package, and without.
func TestUpdateFlag(t *testing.T) {
	if os.Getenv("LITHAIRTEST_SHOW_FLAG") != "" {
		fmt.Println("update:", lithairtest.Update, own != nil, own != nil && *own)
		return
	}
	for _, c := range []struct{ arg, env, want string }{
		{"-update", "", "update: true false false"},
		{"--update=true", "1", "update: true true true"},
		{"-update", "1", "update: true true true"},
		{"-update=false", "1", "update: false true false"},
		{"-test.v=false", "1", "update: false true false"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUpdateFlag$", c.arg)
		cmd.Env = append(os.Environ(), "LITHAIRTEST_SHOW_FLAG=1", "LITHAIRTEST_OWN_FLAG="+c.env)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s, own %q: %v: %s", c.arg, c.env, err, out)
		}
	}
}

// recorder notes what a test is told to fail with.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// TestGoldenDiffers: a golden file that is not there, or is another text, fails a test.
func TestGoldenDiffers(t *testing.T) {
	if lithairtest.Update {
		t.Skip("NOT RUN: golden files are being written")
	}
	r := &recorder{TB: t}
	lithairtest.Golden(r, "none", "text")
	lithairtest.Golden(r, "notes", "text")
	if len(r.said) != 2 || !strings.Contains(r.said[0], "is not there") || !strings.Contains(r.said[1], "got\ntext") {
		t.Errorf("%q", r.said)
	}
	app := lithairtest.Start(r, newApp, lithairtest.Options{})
	app.Want("GET", "/api/notes", "", 404, "nothing")
	if len(r.said) != 4 {
		t.Errorf("%q", r.said)
	}
	if _, err := os.Stat(filepath.Join("testdata", "none.golden")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestCluster: any of three nodes takes a write, and what was acknowledged outlives the leader.
func TestCluster(t *testing.T) {
	c := lithairtest.StartCluster(t, 3, newApp, lithairtest.Options{})
	first := c.Leader()
	c.Follower().Want("POST", "/api/notes", `{"text":"by a follower"}`, 201)
	first.Stop()
	second := c.Leader()
	if second == first {
		t.Fatal("a node that was stopped leads")
	}
	second.Want("POST", "/api/notes", `{"text":"by another leader"}`, 201)
	first.Restart()
	c.Leader()
	first.Want("GET", "/api/notes?level=linearizable", "", 200, `"total":2`)
}

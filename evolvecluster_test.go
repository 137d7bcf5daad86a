package lithair

import (
	"strings"
	"testing"
)

// Three releases of a program: the second adds a field, the third gives one another name, and the last drops one and adds an index.
func memosFirst(a *App) {
	type memo struct {
		ID   ID     `json:"id" lithair:"primary_key"`
		Text string `json:"text"`
	}
	Model[memo](a, "/api/notes")
}

func memosSecond(a *App) {
	type memo struct {
		ID    ID     `json:"id" lithair:"primary_key"`
		Text  string `json:"text"`
		Stars int    `json:"stars"`
	}
	Model[memo](a, "/api/notes")
}

func memosThird(a *App) {
	type memo struct {
		ID    ID     `json:"id" lithair:"primary_key"`
		Title string `json:"title" lithair:"was=text"`
		Stars int    `json:"stars"`
	}
	Model[memo](a, "/api/notes")
}

func memosFourth(a *App) {
	type memo struct {
		ID    ID     `json:"id" lithair:"primary_key"`
		Title string `json:"title" lithair:"indexed"`
	}
	Model[memo](a, "/api/notes")
}

// TestMembersUpgradedOneByOne: while members are upgraded, those that are serve reads in the new shape under a leader that is not; what cannot be
// known before a new one leads is refused, and never shown as empty.
func TestMembersUpgradedOneByOne(t *testing.T) {
	m := startCluster(t, 3, memosFirst)
	m.insist(m.follower(), `{"text":"kept"}`, "kept")
	for _, step := range []struct {
		next   func(*App)
		ahead  string // what an upgraded follower answers; empty: it refuses
		behind string // what one that is not answers under an upgraded leader; empty: it refuses
		after  string
	}{
		{memosSecond, `"stars":0`, `"text":"kept"`, `"text":"kept","stars":0`},
		{memosThird, `"title":"kept"`, "", `"title":"kept","stars":0`},
		{memosFourth, `"title":"kept"}`, "", `"title":"kept"}`},
	} {
		m.equal()
		lead := m.leader()
		first := (lead + 1) % 3
		m.set = step.next
		reads := func(at int, want string) {
			t.Helper()
			m.await("node reads "+want, func() bool {
				got := call(t, m.apps[at], "GET", "/api/notes", "")
				if want == "" {
					return got.StatusCode == 503 && strings.Contains(got.body, "cannot serve memo now")
				}
				return got.StatusCode == 200 && strings.Contains(got.body, want)
			})
		}
		m.stop(first)
		m.start(first)
		m.leads(lead) // it is not upgraded
		reads(first, step.ahead)
		m.leads(first)
		reads(first, step.after)
		reads(lead, step.behind)
		for _, i := range []int{lead, (lead + 2) % 3} {
			m.stop(i)
			m.start(i)
		}
		for i := range 3 {
			reads(i, step.after)
		}
	}
}

package lithair

import (
	"fmt"
	"strings"
	"testing"
)

type invoice struct {
	_ struct{} `lifecycle:"immutable"`

	ID    string `json:"id"`
	Cents int    `json:"cents"`
}

type draft struct {
	_ struct{} `lifecycle:"versioned=2" lithair:"unique=folder+name"`

	ID     string  `json:"id"`
	Folder string  `json:"folder"`
	Name   string  `json:"name"`
	Parent *string `json:"parent" lithair:"fk=draft,on_delete=cascade"`
}

func TestLifecyclesOverHTTP(t *testing.T) {
	a := newApp(t, Config{})
	drafts := Model[draft](a, "/drafts")
	Model[invoice](a, "/invoices")
	start(t, a)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/invoices", `{"id":"1","cents":5}`, 201, ""},
		{"PUT", "/invoices/1", `{"cents":5}`, 200, ""},
		{"PUT", "/invoices/1", `{"cents":6}`, 422, "LTH1023"},
		{"PATCH", "/invoices/1", `{"cents":6}`, 422, "cannot be changed or deleted after creation"},
		{"DELETE", "/invoices/1", "", 422, "LTH1023"},
		{"POST", "/invoices/_bulk", `[{"op":"delete","id":"1"}]`, 422, "LTH1023"},
		{"POST", "/drafts", `{"id":"a","folder":"x","name":"y"}`, 201, ""},
		{"POST", "/drafts", `{"id":"b","folder":"x","name":"y"}`, 409, "must be unique together with name"},
		{"POST", "/drafts", `{"id":"b","folder":"x","name":"z","parent":"a"}`, 201, ""},
		{"PATCH", "/drafts/a", `{"name":"y2"}`, 200, ""},
		{"PATCH", "/drafts/a", `{"name":"y3"}`, 200, ""},
		{"GET", "/drafts?folder=x&sort=name&fields=id", "", 200, `[{"id":"a"},{"id":"b"}]`},
		{"GET", "/drafts/a/history", "", 200, `"name":"y2"`},
	} {
		got := call(t, a, c.method, c.path, c.body)
		if got.StatusCode != c.status || !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, got.StatusCode, got.body, c.status, c.want)
		}
	}
	if err := a.View(func(s *Snapshot) error {
		var names []string
		for v, err := range drafts.Versions(s, "a") {
			if err != nil {
				return err
			}
			names = append(names, v.Record.Name)
			if v.Created || v.Index == 0 || v.Time.IsZero() || v.Command != "draft.patch" || v.RequestID == "" {
				return fmt.Errorf("%+v", v)
			}
		}
		if strings.Join(names, " ") != "y3 y2" {
			return fmt.Errorf("versions are %v", names)
		}
		for range drafts.Versions(s, "none") {
			return fmt.Errorf("a record that is not there has versions")
		}
		for _, err := range drafts.Versions(s, 3.5) {
			if err == nil {
				return fmt.Errorf("a key that cannot be is taken")
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := call(t, a, "DELETE", "/drafts/a", ""); got.StatusCode != 204 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if err := a.View(func(s *Snapshot) error {
		if drafts.Len(s) != 0 || s.root.Len(s.root.SchemaByName("_versions").Number) != 0 {
			return fmt.Errorf("%d drafts are left, or their versions", drafts.Len(s))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

type presence struct {
	_ struct{} `persist:"memory_only"`

	ID   string `json:"id"`
	Room string `json:"room" lithair:"indexed"`
}

func TestMemoryOnlyOverHTTP(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	Model[presence](a, "/presence")
	start(t, a)
	index, tag := "", ""
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/presence", `{"id":"a","room":"x"}`, 201, ""},
		{"POST", "/presence", `{"id":"a","room":"x"}`, 409, "LTH1013"},
		{"PATCH", "/presence/a", `{"room":"y"}`, 200, `"room":"y"`},
		{"GET", "/presence?room=y", "", 200, `"total":1`},
		{"GET", "/presence/a", "", 200, `"room":"y"`},
		{"GET", "/presence/a?at=1", "", 400, "it has no past"},
		{"GET", "/presence/a/history", "", 404, ""},
	} {
		got := call(t, a, c.method, c.path, c.body)
		if got.StatusCode != c.status || !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, got.StatusCode, got.body, c.status, c.want)
		}
		if at := got.Header.Get("Lithair-Index"); index == "" {
			index = at
		} else if at != "" && at != index {
			t.Errorf("%s %s: index %s, want %s: nothing was logged", c.method, c.path, at, index)
		}
		if e := got.Header.Get("ETag"); e != "" && c.method != "GET" {
			if e == tag {
				t.Errorf("%s %s: two versions have the tag %s", c.method, c.path, e)
			}
			tag = e
		}
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = newApp(t, Config{Dir: dir})
	Model[presence](a, "/presence")
	start(t, a)
	if got := call(t, a, "GET", "/presence/count", ""); got.body != `{"count":0}` {
		t.Errorf("after a restart: %s", got.body)
	}
}

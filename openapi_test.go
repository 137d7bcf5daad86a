package lithair

import (
	"encoding/json"
	"testing"
)

// TestEveryRouteIsDescribed: what an application gets without writing a handler is described in /openapi.json, not named alone.
func TestEveryRouteIsDescribed(t *testing.T) {
	a := newApp(t, Config{})
	Model[photo](a, "/api/photos")
	Room(a, "chat/{id}", RoomOptions{})
	start(t, a)
	var doc struct {
		Paths map[string]map[string]struct {
			Summary    string   `json:"summary"`
			Tags       []string `json:"tags"`
			Parameters []struct {
				Name string `json:"name"`
			} `json:"parameters"`
			Responses map[string]struct {
				Content map[string]any `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	body := call(t, a, "GET", "/openapi.json", "").body
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) < len(a.router.Routes())/3 {
		t.Fatalf("%d paths of %d routes", len(doc.Paths), len(a.router.Routes()))
	}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if op.Tags[0] == "application" {
				t.Errorf("%s %s: %s", method, path, op.Summary)
			}
		}
	}
	for path, param := range map[string]string{"/api/photos/live": "title", "/api/photos/stream": "from"} {
		op := doc.Paths[path]["get"]
		found := false
		for _, p := range op.Parameters {
			found = found || p.Name == param
		}
		if _, is := op.Responses["200"].Content["text/event-stream"]; !is || !found {
			t.Errorf("%s: %+v", path, op)
		}
	}
}

package rest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/rest"
)

// TestReadsOfThePast asks for single records, lists, counts and filters as they were, by
// index and by time.
func TestReadsOfThePast(t *testing.T) {
	r := newRig(t, rest.Options{})
	type moment struct{ index, time, title string }
	var moments []moment
	made := r.want(201, "", "POST", "/api/articles", `{"slug":"a","title":"v0","views":1}`)
	path := made.header.Get("Location")
	note := func(title string) {
		got := r.want(200, title, "GET", path, "")
		moments = append(moments, moment{got.header.Get("Lithair-Index"), got.json["updated_at"].(string), title})
	}
	note("v0")
	for i := 1; i < 5; i++ {
		r.want(200, "", "PATCH", path, fmt.Sprintf(`{"title":"v%d","views":%d}`, i, i+1))
		note(fmt.Sprint("v", i))
		r.want(201, "", "POST", "/api/articles", fmt.Sprintf(`{"slug":"b%d","title":"other"}`, i))
	}
	r.want(204, "", "DELETE", path, "")
	for i, m := range moments {
		for _, at := range []string{m.index, url.QueryEscape(m.time)} {
			got := r.want(200, `"title":"`+m.title+`"`, "GET", path+"?at="+at, "")
			if got.header.Get("Lithair-Index") != m.index {
				t.Errorf("at %s: index %s, want %s", at, got.header.Get("Lithair-Index"), m.index)
			}
			r.want(200, fmt.Sprintf(`"total":%d`, max(i, 1)), "GET", "/api/articles?take=1&at="+at, "")
			r.want(200, fmt.Sprintf(`"count":%d`, max(i, 1)), "GET", "/api/articles/count?at="+at, "")
			r.want(200, m.title, "GET", fmt.Sprintf("/api/articles?views=%d&at=%s", i+1, at), "")
			r.want(200, m.title, "GET", "/api/articles?slug=a&at="+at, "")
		}
	}
	r.want(404, "LTH1010", "GET", path, "")
	r.want(404, "LTH1010", "GET", path+"?at=0", "")
	r.want(200, `"total":0`, "GET", "/api/articles?at=0&views=1", "")
	r.want(412, "LTH1018", "GET", path+"?at=1000000", "")
	r.want(412, "LTH1018", "GET", path+"?at=2999-01-01T00:00:00Z", "")
	r.want(400, "LTH1004", "GET", path+"?at=yesterday", "")
	r.want(400, "at", "GET", path+"?at=1&min_index=1", "")
}

func TestHistoryAndBlame(t *testing.T) {
	r := newRig(t, rest.Options{})
	made := r.want(201, "", "POST", "/api/articles", `{"slug":"a","title":"v0","views":1}`, "X-Request-Id", "req-0")
	path := made.header.Get("Location")
	r.want(200, "", "PATCH", path, `{"views":2}`, "X-Request-Id", "req-1")
	r.want(200, "", "PATCH", path, `{"title":"v2"}`, "X-Request-Id", "req-2")
	got := r.want(200, `"has_more":false,"complete":true`, "GET", path+"/history", "")
	data := got.json["data"].([]any)
	if len(data) != 3 || strings.Contains(got.text, "secret") {
		t.Fatal(got.text)
	}
	newest, oldest := data[0].(map[string]any), data[2].(map[string]any)
	if newest["kind"] != "updated" || fmt.Sprint(newest["changed"]) != "[title updated_at]" || newest["request_id"] != "req-2" || newest["record"].(map[string]any)["title"] != "v2" {
		t.Errorf("newest: %v", newest)
	}
	if oldest["kind"] != "created" || oldest["request_id"] != "req-0" || oldest["record"].(map[string]any)["title"] != "v0" {
		t.Errorf("oldest: %v", oldest)
	}
	page := r.want(200, `"has_more":true`, "GET", fmt.Sprintf("%s/history?take=1&before=%v", path, newest["index"]), "")
	if one := page.json["data"].([]any); len(one) != 1 || one[0].(map[string]any)["request_id"] != "req-1" {
		t.Errorf("a page: %s", page.text)
	}
	by := r.want(200, `"complete":true`, "GET", path+"/blame", "").json["data"].(map[string]any)
	for field, req := range map[string]string{"slug": "req-0", "views": "req-1", "title": "req-2"} {
		if got := by[field].(map[string]any)["request_id"]; got != req {
			t.Errorf("%s is by %v, want %s", field, got, req)
		}
	}
	if by["secret"] != nil {
		t.Error("a hidden field is told of")
	}
	r.want(204, "", "DELETE", path, "")
	gone := r.want(200, `"kind":"deleted"`, "GET", path+"/history", "")
	if len(gone.json["data"].([]any)) != 4 {
		t.Error(gone.text)
	}
	r.want(404, "LTH1010", "GET", path+"/blame", "")
	r.want(404, "LTH1010", "GET", "/api/articles/01890000-0000-7000-8000-000000000000/history", "")
	r.want(400, "LTH1004", "GET", path+"/history?take=0", "")
	r.want(400, "LTH1004", "GET", path+"/history?limit=1", "")
	r.want(400, "LTH1004", "GET", path+"/blame?take=1", "")
}

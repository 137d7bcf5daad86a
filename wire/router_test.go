package wire

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// request makes a request as the parser would, without a connection.
func request(t testing.TB, method, target string) *Request {
	t.Helper()
	r := &Request{&heldRequest{}}
	if _, err := r.head.parse([]byte(method+" "+target+" HTTP/1.1\r\nHost: t\r\n\r\n"), 1<<16, 100); err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return r
}

// TestRouterAgreesWithServeMux holds the router against net/http's, the model of its
// rules, on every method and path that the patterns suggest.
func TestRouterAgreesWithServeMux(t *testing.T) {
	patterns := []string{
		"GET /", "/{$}", "GET /articles", "POST /articles", "GET /articles/{id}", "DELETE /articles/{id}",
		"GET /articles/latest", "GET /articles/{id}/comments", "GET /articles/latest/{what}", "/files/{path...}",
		"GET /files/special", "/files/dir/", "GET /a/{x}/c", "GET /a/b/{y...}", "/b%20c/{z}", "HEAD /articles/latest",
	}
	mux, rt := http.NewServeMux(), NewRouter()
	for _, p := range patterns {
		conflict := func() (c bool) {
			defer func() { c = recover() != nil }()
			mux.HandleFunc(p, func(http.ResponseWriter, *http.Request) {})
			return false
		}()
		err := rt.Handle(p, func(*Response, *Request) error { return nil })
		if (err != nil) != conflict {
			t.Fatalf("%q: conflict %v, ours %v", p, conflict, err)
		}
	}
	segments := []string{"", "articles", "latest", "7", "comments", "files", "special", "dir", "a", "b", "c", "x", "b%20c", "%41rticles"}
	n := 0
	for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PUT"} {
		for _, a := range segments {
			for _, b := range segments {
				for _, c := range []string{"", "/comments", "/c", "/x/y", "/"} {
					path := "/" + a
					if b != "" {
						path += "/" + b
					}
					path += c
					if strings.Contains(path, "//") {
						continue
					}
					hr, err := http.NewRequest(method, "http://t"+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, want := mux.Handler(hr)
					r := request(t, method, path)
					rt.find(r)
					if got := r.Route(); got != want {
						t.Errorf("%s %s: %q, ServeMux %q", method, path, got, want)
					}
					n++
				}
			}
		}
	}
	t.Logf("%d requests agree", n)
}

func TestRouterConflictsNameBothPatterns(t *testing.T) {
	for _, c := range [][2]string{
		{"GET /a/{x}", "GET /{y}/b"}, {"GET /a", "GET /a"}, {"/a/{x}", "/a/{y}"}, {"GET /{x}", "/a"}, {"/{x...}", "/{y...}"},
	} {
		rt := NewRouter()
		h := func(*Response, *Request) error { return nil }
		if err := rt.Handle(c[0], h); err != nil {
			t.Fatal(err)
		}
		err := rt.Handle(c[1], h)
		if err == nil || !strings.Contains(err.Error(), c[0]) || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%q beside %q: %v", c[1], c[0], err)
		}
	}
}

func TestRouterRefusesBadPatterns(t *testing.T) {
	for _, p := range []string{"", "a", "GET", "GET a", "/a//b", "/{", "/{}", "/{a}x", "/x{a}", "/{a...}/b", "/{$}/a", "/{a}/{a}", "G T /", "/{1a}", "/%zz"} {
		if err := NewRouter().Handle(p, func(*Response, *Request) error { return nil }); err == nil {
			t.Errorf("%q was taken", p)
		}
	}
}

func TestRouterPathValues(t *testing.T) {
	rt := NewRouter()
	for _, p := range []string{"GET /u/{user}/posts/{post}", "GET /f/{path...}"} {
		if err := rt.Handle(p, func(*Response, *Request) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	r := request(t, "GET", "/u/j%c3%bcrg%2Fx/posts/7?q=1")
	rt.find(r)
	if u, p, q := r.PathValue("user"), r.PathValue("post"), r.Query().Get("q"); u != "jürg/x" || p != "7" || q != "1" {
		t.Errorf("user %q, post %q, q %q", u, p, q)
	}
	r = request(t, "GET", "/f/a/b/c")
	rt.find(r)
	if v := r.PathValue("path"); v != "a/b/c" {
		t.Errorf("path %q", v)
	}
}

func TestRouterAllowAndOptions(t *testing.T) {
	rt := NewRouter()
	for _, m := range []string{"GET", "PUT"} {
		if err := rt.Handle(m+" /x", func(*Response, *Request) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	f := rt.find(request(t, "DELETE", "/x"))
	if f == nil || f.allow != "GET, HEAD, OPTIONS, PUT" {
		t.Errorf("allow %+v", f)
	}
	// All patterns of the path count, not the most specific one alone.
	for _, p := range []string{"GET /items/{id}", "PUT /items/special", "POST /items/{path...}"} {
		if err := rt.Handle(p, func(*Response, *Request) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, method := range []string{"DELETE", "OPTIONS"} {
		if f := rt.find(request(t, method, "/items/special")); f == nil || f.allow != "GET, HEAD, OPTIONS, POST, PUT" {
			t.Errorf("%s: allow %+v", method, f)
		}
	}
	if f := rt.find(request(t, "GET", "/%00")); f == nil || f.err == nil {
		t.Error("a NUL in the path was taken")
	}
}

func TestRouterDoesNotAllocate(t *testing.T) {
	rt := NewRouter()
	for i := range 50 {
		if err := rt.Handle(fmt.Sprintf("GET /r%d/{id}/x", i), func(*Response, *Request) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	r := request(t, "GET", "/r31/abc/x")
	if n := testing.AllocsPerRun(100, func() {
		if rt.find(r) != nil {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if !slices.ContainsFunc(rt.Routes(), func(r Route) bool { return r.Method == "GET" && r.Path == "/r31/{id}/x" }) {
		t.Error("the listing lacks a route")
	}
}

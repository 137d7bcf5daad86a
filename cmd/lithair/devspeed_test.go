//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
)

// TestDevEdits edits a handler of the blog again and again, and says how long it is until the
// edited program answers, and what that takes of the processor. LITHAIR_LONG=1: 20 edits.
func TestDevEdits(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program several times")
	}
	edits := 3
	if os.Getenv("LITHAIR_LONG") != "" {
		edits = 20
	}
	dir := filepath.Join(t.TempDir(), "blog")
	must(t, os.CopyFS(dir, os.DirFS("../../examples/blog")))
	root, err := filepath.Abs("../..")
	must(t, err)
	const mod = "module github.com/lithair/lithair-go/examples/blogcopy\n\ngo 1.26\n\nrequire github.com/lithair/lithair-go v0.0.0\n\nreplace github.com/lithair/lithair-go => %s\n"
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), fmt.Appendf(nil, mod, root), 0o644))
	source, err := os.ReadFile(filepath.Join(dir, "blog.go"))
	must(t, err)
	const route = `app.Get("/style.css", style)`
	if !strings.Contains(string(source), route) {
		t.Fatal("the blog has changed")
	}
	out := &screen{}
	idle := make(chan struct{}, 1)
	d := &dev{c: &cli.Console{Out: out, Err: out}, dir: dir, addr: "127.0.0.1:0", poll: 50 * time.Millisecond}
	d.idle = func() {
		select {
		case idle <- struct{}{}:
		default:
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	end := sync.OnceValue(func() error { stop(); return <-done })
	t.Cleanup(func() { end() })
	wait := func() {
		t.Helper()
		select {
		case <-idle:
		case <-time.After(2 * time.Minute):
			t.Fatalf("it does not become idle; on the screen:\n%s", out)
		}
	}
	wait()
	base := regexp.MustCompile(`http://[0-9.:]+`).FindString(out.String())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	answers := func(path string) bool {
		res, err := client.Get(base + path)
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return err == nil && res.StatusCode == 200
	}
	var waits []time.Duration
	before := used(t)
	for n := range edits {
		path := fmt.Sprintf("/edit-%d", n)
		edited := strings.Replace(string(source), route, route+fmt.Sprintf("\n\tapp.Get(%q, style)", path), 1)
		began := time.Now()
		must(t, os.WriteFile(filepath.Join(dir, "blog.go"), []byte(edited), 0o644))
		for end := began.Add(2 * time.Minute); !answers(path); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s does not come; on the screen:\n%s", path, out)
			}
		}
		waits = append(waits, time.Since(began))
		wait()
	}
	must(t, end())
	each := (used(t) - before) / time.Duration(edits)
	if d.builder.flags != nil && d.builder.direct < edits {
		t.Errorf("%d of %d edits without the go command\n%s", d.builder.direct, edits, out)
	}
	slices.Sort(waits)
	t.Logf("%d edits, %d without the go command: median %v, worst %v; CPU time %v an edit", edits, d.builder.direct,
		waits[edits/2].Round(time.Millisecond), waits[edits-1].Round(time.Millisecond), each.Round(time.Millisecond))
}

// used is the CPU time of all processes that were started here and have ended.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

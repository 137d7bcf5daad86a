package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// serveDir, when set, makes the test program a blog on that folder, at serveAddr.
const (
	serveDir  = "BLOG_TEST_SERVE_DIR"
	serveAddr = "BLOG_TEST_SERVE_ADDR"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveDir); dir != "" {
		if err := serveForTest(dir, os.Getenv(serveAddr)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveForTest(dir, addr string) error {
	app := lithair.New(lithair.Config{Name: "blog", Addr: addr, Dir: dir, LogLevel: "error"})
	if _, err := newBlog(app); err != nil {
		return err
	}
	if err := app.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(app.Addr())
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// blogProcess starts a blog in a process of its own.
func blogProcess(t *testing.T, dir, addr string) (*site, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveDir+"="+dir, serveAddr+"="+addr)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	mute := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	at, err := bufio.NewReader(out).ReadString('\n')
	mute.Stop()
	if err != nil {
		t.Fatalf("the blog did not start: %v", err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{t: t, base: "http://" + strings.TrimSpace(at), http: &http.Client{Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, cmd
}

func kill(cmd *exec.Cmd) {
	cmd.Process.Kill() // SIGKILL
	cmd.Wait()
}

func TestArticlesSurviveKill(t *testing.T) {
	dir := t.TempDir()
	s, cmd := blogProcess(t, dir, "127.0.0.1:0")
	s.form("/write", 303, "title", "Before the storm", "body", "Still here?", "published", "on")

	// Writers go on until the process is killed under them.
	var mu sync.Mutex
	acked, enough := map[string]bool{}, make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				slug := fmt.Sprintf("w%d-%d", w, i)
				resp, err := s.http.Post(s.base+"/api/articles", "application/json",
					strings.NewReader(fmt.Sprintf(`{"slug":%q,"title":"T","body":"B"}`, slug)))
				if err != nil {
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 201 {
					t.Errorf("POST %s: %s", slug, resp.Status)
					return
				}
				mu.Lock()
				acked[slug] = true
				if len(acked) == 200 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-enough:
	case <-ended:
		t.Fatal("the writers ended before the kill")
	}
	kill(cmd)
	<-ended

	s, _ = blogProcess(t, dir, "127.0.0.1:0")
	contains(t, s.get("/articles/before-the-storm", 200), "Still here?")
	for slug := range acked {
		s.get("/articles/"+slug, 200)
	}
	t.Logf("%d articles acknowledged before the kill, all there after it", len(acked)+1)
	s.form("/write", 303, "title", "After the storm", "body", "Yes.")
}

package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// peer starts a server program of the system and waits until it listens. The test is
// skipped where there is none.
func peer(t *testing.T, name string, conf string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
			if p := filepath.Join(dir, name); exists(p) {
				path, err = p, nil
			}
		}
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	file := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(path, append(args, file)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("%s does not start: %v", name, err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // says that it was killed
		if t.Failed() {
			t.Logf("%s: %s", name, out.String())
		}
	})
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// freeAddr returns an address that nobody listened at a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", freePort(t))
}

func awaitListener(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Skipf("nobody listens at %s: %v", addr, err)
		}
	}
}

// rounds is how often the exchanges with a peer are repeated.
func rounds(t *testing.T) int {
	if os.Getenv("LITHAIR_LONG") != "" {
		return 1000
	}
	t.Log("10 rounds; 1000 with LITHAIR_LONG=1")
	return 10
}

func TestClientAgainstNginx(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	big := strings.Repeat("0123456789abcdef", 1<<14)
	changed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, content := range map[string]string{"small.txt": "small", "big.txt": big, "empty.txt": ""} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, []byte(content), 0o644), os.Chtimes(file, changed, changed)); err != nil {
			t.Fatal(err)
		}
	}
	peer(t, "nginx", fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 256; }
http {
	access_log off; keepalive_requests 50; client_max_body_size 1k;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen %[2]s; root %[1]s;
		location /zipped/ { alias %[1]s/; gzip on; gzip_min_length 1; gzip_types *; }
		location /204 { return 204; }
		location /moved { return 301 /small.txt; }
		location /post { return 200 "posted"; }
		location /body { proxy_pass http://%[2]s/post; }
		location /drop { return 444; }
	}
}`, dir, addr), "-p", dir, "-c")
	awaitListener(t, addr)
	c := newClient(t, func(c *ClientConfig) { c.MaxConnsPerHost = 8 })
	get := func(q ClientRequest) (int, string, error) {
		q.URL = "http://" + addr + q.URL
		r, err := c.Do(t.Context(), &q)
		if err != nil {
			return 0, "", err
		}
		b, err := r.ReadAll(0)
		return r.StatusCode(), string(b), err
	}
	var wg sync.WaitGroup
	n := rounds(t)
	for range 4 {
		wg.Go(func() {
			for range n {
				for _, x := range []struct {
					name   string
					q      ClientRequest
					status int
					body   string
				}{
					{"small", ClientRequest{URL: "/small.txt"}, 200, "small"},
					{"big", ClientRequest{URL: "/big.txt"}, 200, big},
					{"empty", ClientRequest{URL: "/empty.txt"}, 200, ""},
					{"head", ClientRequest{Method: "HEAD", URL: "/big.txt"}, 200, ""},
					{"gzip, chunked", ClientRequest{URL: "/zipped/big.txt"}, 200, big},
					{"204", ClientRequest{URL: "/204"}, 204, ""},
					{"redirect", ClientRequest{URL: "/moved"}, 200, "small"},
					{"range", ClientRequest{URL: "/big.txt", Header: [][2]string{{"Range", "bytes=16-19"}}}, 206, "0123"},
					{"304", ClientRequest{URL: "/small.txt", Header: [][2]string{{"If-Modified-Since", changed.Format("Mon, 02 Jan 2006 15:04:05 GMT")}}}, 304, ""},
					{"404", ClientRequest{URL: "/none", MaxContentBytes: 10_000}, 404, "?"},
					{"chunked upload", ClientRequest{Method: "POST", URL: "/body", Body: io.MultiReader(strings.NewReader("hello"))}, 200, "posted"},
					{"100-continue", ClientRequest{Method: "POST", URL: "/body", Body: strings.NewReader("hello"), Header: [][2]string{{"Expect", "100-continue"}}}, 200, "posted"},
					{"early refusal", ClientRequest{Method: "POST", URL: "/body", Body: strings.NewReader(big)}, 413, "?"},
				} {
					status, body, err := get(x.q)
					if x.name == "early refusal" && err != nil {
						continue // nginx may reset the connection under its own answer
					}
					if err != nil || status != x.status || x.body != "?" && body != x.body {
						t.Errorf("%s: %d %.40q, %v", x.name, status, body, err)
					}
				}
				if _, _, err := get(ClientRequest{URL: "/drop"}); !errors.Is(err, io.EOF) {
					t.Errorf("closed without an answer: %v", err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d exchanges", 4*n*14)
}

func TestClientThroughHaproxy(t *testing.T) {
	backend, _ := serveCases(t)
	addr := freeAddr(t)
	peer(t, "haproxy", fmt.Sprintf(`
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend f
	bind %s
	default_backend b
backend b
	server s %s
`, addr, backend), "-db", "-f")
	awaitListener(t, addr)
	c := newClient(t, func(c *ClientConfig) { c.MaxConnsPerHost = 8 })
	big := strings.Repeat("x", 1<<20)
	n := rounds(t)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range n {
				mark := fmt.Sprintf("%d-%d", g, i)
				for _, x := range []struct {
					name string
					q    ClientRequest
					body string
				}{
					{"echo", ClientRequest{Method: "POST", URL: "/echo", Body: strings.NewReader(mark)}, mark},
					{"chunked echo", ClientRequest{Method: "PUT", URL: "/echo", Body: io.MultiReader(strings.NewReader(big), strings.NewReader(mark))}, big + mark},
					{"stream", ClientRequest{URL: "/stream"}, "onetwothree"},
					{"empty", ClientRequest{URL: "/empty"}, ""},
					{"head", ClientRequest{Method: "HEAD", URL: "/stream"}, ""},
					{"expect", ClientRequest{Method: "POST", URL: "/echo", Body: strings.NewReader(mark), Header: [][2]string{{"Expect", "100-continue"}}}, mark},
				} {
					if x.name == "chunked echo" && i%10 != 0 {
						continue // a MiB each
					}
					x.q.URL = "http://" + addr + x.q.URL
					r, err := c.Do(t.Context(), &x.q)
					if err != nil {
						t.Errorf("%s: %v", x.name, err)
						continue
					}
					if b, err := r.ReadAll(0); err != nil || string(b) != x.body {
						t.Errorf("%s: %d %.40q, %v", x.name, r.StatusCode(), b, err)
					}
				}
				// An upload that is given up must not disturb the others.
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				pr, _ := io.Pipe()
				if r, err := c.Do(ctx, &ClientRequest{Method: "POST", URL: "http://" + addr + "/echo", Body: pr}); err == nil {
					r.Close()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	t.Logf("%d exchanges", 4*n*7)
}

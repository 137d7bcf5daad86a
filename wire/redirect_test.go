package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestClientRedirectMethods(t *testing.T) {
	url := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		if to, ok := strings.CutPrefix(r.URL.Path, "/to/"); ok {
			var status int
			fmt.Sscan(to, &status)
			w.Header().Set("Location", "/end?q=1#part")
			w.WriteHeader(status)
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s %s [%s] %s", r.Method, r.RequestURI, b, r.Header.Get("Content-Type"), r.Header.Get("X-Keep"))
	})
	c := newClient(t)
	stream := func() io.Reader { return io.MultiReader(strings.NewReader("abc")) }
	for _, row := range []struct {
		method string
		status int
		body   io.Reader
		want   string // "": ErrNotReplayable
	}{
		{"GET", 301, nil, "GET /end?q=1  [t/t] k"},
		{"POST", 301, strings.NewReader("abc"), "GET /end?q=1  [] k"},
		{"POST", 302, strings.NewReader("abc"), "GET /end?q=1  [] k"},
		{"POST", 302, stream(), "GET /end?q=1  [] k"},
		{"PUT", 302, strings.NewReader("abc"), "PUT /end?q=1 abc [t/t] k"},
		{"PUT", 303, strings.NewReader("abc"), "GET /end?q=1  [] k"},
		{"POST", 303, stream(), "GET /end?q=1  [] k"},
		{"POST", 307, strings.NewReader("abc"), "POST /end?q=1 abc [t/t] k"},
		{"POST", 308, strings.NewReader("abc"), "POST /end?q=1 abc [t/t] k"},
		{"POST", 307, stream(), ""},
		{"PUT", 301, stream(), ""},
	} {
		r, err := c.Do(t.Context(), &ClientRequest{Method: row.method, URL: fmt.Sprint(url, "/to/", row.status), Body: row.body, Header: [][2]string{{"Content-Type", "t/t"}, {"X-Keep", "k"}}})
		if row.want == "" {
			var ce *ClientError
			if !errors.Is(err, ErrNotReplayable) || !errors.As(err, &ce) || ce.Stage != StageFollow {
				t.Errorf("%s %d of a stream: %v", row.method, row.status, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %d: %v", row.method, row.status, err)
			continue
		}
		b, err := r.ReadAll(0)
		if err != nil || string(b) != row.want || r.URL() != url+"/end?q=1" {
			t.Errorf("%s %d: %q at %s, %v; want %q", row.method, row.status, b, r.URL(), err, row.want)
		}
	}
	r, err := c.Do(t.Context(), &ClientRequest{Method: "HEAD", URL: url + "/to/303"})
	if err != nil || r.method != "HEAD" {
		t.Errorf("HEAD stays HEAD: %v, %v", r, err)
	}
}

func TestClientRedirectPolicy(t *testing.T) {
	url := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/loop":
			w.Header().Set("Location", "loop")
		case "/ftp":
			w.Header().Set("Location", "ftp://example.org/")
		case "/bad":
			w.Header().Set("Location", "http://[::1")
		case "/user":
			w.Header().Set("Location", "/ok")
		case "/ok":
			return
		}
		w.WriteHeader(302)
	})
	c := newClient(t)
	for path, want := range map[string]string{"/loop": "too many redirects: 10", "/ftp": `the scheme is "ftp"`, "/bad": "Location: "} {
		_, err := c.Get(t.Context(), url+path)
		var ce *ClientError
		if !errors.As(err, &ce) || ce.Stage != StageFollow || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if r, _ := get(t, c, url+"/none"); r.StatusCode() != 302 {
		t.Errorf("without Location: %d", r.StatusCode())
	}
	never := newClient(t, func(c *ClientConfig) { c.MaxRedirects = -1 })
	if r, _ := get(t, never, url+"/loop"); r.StatusCode() != 302 {
		t.Errorf("none followed: %d", r.StatusCode())
	}
	boom := errors.New("not there")
	asked := ""
	picky := newClient(t, func(c *ClientConfig) {
		c.CheckRedirect = func(from, to string, status int) error {
			asked = fmt.Sprint(from, " ", to, " ", status)
			if strings.HasSuffix(from, "/loop") {
				return boom
			}
			return ErrUseResponse
		}
	})
	if _, err := picky.Get(t.Context(), url+"/loop"); !errors.Is(err, boom) || asked != url+"/loop "+url+"/loop 302" {
		t.Errorf("%v, %s", err, asked)
	}
	if r, _ := get(t, picky, url+"/user"); r.StatusCode() != 302 {
		t.Errorf("ErrUseResponse: %d", r.StatusCode())
	}
}

// TestClientRedirectCredentials sends all kinds of credentials through redirects and
// looks at what arrives where (RFC 9110 §15.4, RELIABILITY: leaks to another host).
func TestClientRedirectCredentials(t *testing.T) {
	show := func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(307)
			return
		}
		fmt.Fprintf(w, "%s%s%s%s%s", r.Header["Authorization"], r.Header["Cookie"], r.Header["X-Api-Key"], r.Header["X-Own"], r.Header["X-Plain"])
	}
	plain := httptest.NewServer(http.HandlerFunc(show))
	defer plain.Close()
	other := httptest.NewServer(http.HandlerFunc(show))
	defer other.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(show))
	defer secure.Close()
	const all, none = "[secret][a=b][key][own][plain]", "[][][][][plain]"
	_, port, err := net.SplitHostPort(plain.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, from, to, want string }{
		{"same host", plain.URL, "/x", all},
		{"same host, absolute", plain.URL, plain.URL + "/x", all},
		{"another port", plain.URL, other.URL, none},
		{"another name", plain.URL, "http://localhost:" + port + "/", none},
		{"network-path reference", plain.URL, "//localhost:" + port + "/", none},
		{"https to http", secure.URL, plain.URL, none},
		{"there and back", plain.URL, other.URL + "/?to=" + plain.URL, none},
	} {
		c := newClient(t, func(c *ClientConfig) {
			c.TLS = secure.Client().Transport.(*http.Transport).TLSClientConfig
			c.CredentialFields = []string{"x-own"}
		})
		r, err := c.Do(t.Context(), &ClientRequest{URL: row.from + "/?to=" + row.to, Header: [][2]string{{"authorization", "secret"}, {"Cookie", "a=b"}, {"X-Api-Key", "key"}, {"X-Own", "own"}, {"X-Plain", "plain"}}})
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if b, err := r.ReadAll(0); err != nil || string(b) != row.want {
			t.Errorf("%s: %s arrived, want %s (%v)", row.name, b, row.want, err)
		}
	}
	// User information of the URL goes nowhere else either, and into no error.
	c := newClient(t)
	userURL := strings.Replace(plain.URL, "http://", "http://me:pass@", 1)
	if _, body := get(t, c, userURL); body != "[Basic bWU6cGFzcw==][][][][]" {
		t.Errorf("user information: %s", body)
	}
	for _, to := range []string{"/x", plain.URL + "/x"} {
		if _, body := get(t, c, userURL+"/?to="+to); body != "[Basic bWU6cGFzcw==][][][][]" {
			t.Errorf("user information, redirected to %s of the same host: %s", to, body)
		}
	}
	if _, body := get(t, c, userURL+"/?to="+url.QueryEscape(other.URL+"/?to="+plain.URL)); body != "[][][][][]" {
		t.Errorf("user information came back: %s", body)
	}
	if _, body := get(t, c, userURL+"/?to="+other.URL); body != "[][][][][]" {
		t.Errorf("user information went on: %s", body)
	}
	if _, err := c.Get(t.Context(), "http://me:pass@127.0.0.1:1/%zz"); err == nil || strings.Contains(err.Error(), "pass") {
		t.Errorf("a broken URL: %v", err)
	}
	if _, err := c.Get(t.Context(), "http://me:pass@127.0.0.1:1/"); err == nil || strings.Contains(err.Error(), "pass") {
		t.Errorf("a refused connection: %v", err)
	}
	for _, p := range []struct {
		from, to string
		same     bool
	}{
		{"http://h/", "https://h/", true}, {"http://h:8080/", "https://h/", false}, {"https://h/", "http://h/", false}, {"https://h/", "https://h:443/", true},
		{"https://h/", "https://h.evil/", false}, {"https://h/", "https://sub.h/", false}, {"http://H/", "http://h/", true},
	} {
		from, err := parseClientURL(p.from)
		to, err2 := parseClientURL(p.to)
		if err != nil || err2 != nil || sameSite(&from, &to) != p.same {
			t.Errorf("%s to %s: %v", p.from, p.to, !p.same)
		}
	}
}

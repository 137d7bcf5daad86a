package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// must makes a middleware or ends the test.
func must(t testing.TB) func(mw Middleware, err error) Middleware {
	return func(mw Middleware, err error) Middleware {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return mw
	}
}

// asker starts a server for a handler and returns a function that sends one request head
// (lines joined by CRLF, Host added) on a connection of its own and reads the response.
func asker(t testing.TB, h Handler, change ...func(*Config)) func(lines string) *http.Response {
	t.Helper()
	addr, _ := serveCases(t, append([]func(*Config){func(c *Config) { c.Handler = h }}, change...)...)
	return func(lines string) *http.Response {
		t.Helper()
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		head, body, _ := strings.Cut(lines, "\n\n")
		send := strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: example.org\r\nConnection: close\r\n\r\n" + body
		if _, err := io.WriteString(nc, send); err != nil {
			t.Fatal(err)
		}
		method, _, _ := strings.Cut(lines, " ")
		resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(b))
		return resp
	}
}

func answer(w *Response, r *Request) error { return w.Send(200, "text/plain", []byte("ok")) }

func TestChainAndWhen(t *testing.T) {
	mark := func(s string) Middleware {
		return func(next Handler) Handler {
			return func(w *Response, r *Request) error {
				if err := w.AddHeader("X-Order", s); err != nil {
					return err
				}
				return next(w, r)
			}
		}
	}
	api := func(r *Request) bool { return strings.HasPrefix(r.Path(), "/api") }
	ask := asker(t, Chain(mark("a"), When(api, mark("b")), mark("c"))(answer))
	for path, want := range map[string]string{"/api/x": "a b c", "/y": "a c"} {
		if got := strings.Join(ask("GET " + path + " HTTP/1.1").Header["X-Order"], " "); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	ask := asker(t, RequestID()(func(w *Response, r *Request) error { return w.Send(200, "text/plain", []byte(r.ID())) }))
	for _, c := range []struct {
		field string
		keeps string
	}{
		{"X-Request-Id: abc-1.2_3~x:/+=@", "abc-1.2_3~x:/+=@"},
		{"x-request-id:   0af7651916cd43dd  ", "0af7651916cd43dd"},
		{"X-Request-Id: " + strings.Repeat("a", 128), strings.Repeat("a", 128)},
		{"X-Request-Id: " + strings.Repeat("a", 129), ""},
		{"X-Request-Id:", ""},
		{"X-Request-Id: a b", ""},
		{`X-Request-Id: "quoted"`, ""},
		{"X-Request-Id: <script>", ""},
		{"X-Request-Id: a\\u000a", ""},
		{"X-Request-Id: \xc3\xa9", ""},
		{"X-Request-Id: one\nX-Request-Id: two", ""},
		{"X-Other: 1", ""},
	} {
		resp := ask("GET / HTTP/1.1\n" + c.field)
		id := resp.Header.Get("X-Request-Id")
		if body := text(t, resp); body != id {
			t.Errorf("%s: the handler saw %q, the client %q", c.field, body, id)
		}
		if c.keeps != "" && id != c.keeps || c.keeps == "" && !uuid7(id) {
			t.Errorf("%s: id %q", c.field, id)
		}
	}
}

func uuid7(s string) bool {
	if len(s) != 36 || s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
		return false
	}
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && hexDigit(s[i]) < 0 {
			return false
		}
	}
	return true
}

func TestNewIDsDifferAndSort(t *testing.T) {
	seen, last := map[string]bool{}, ""
	for range 2000 {
		id := newID()
		if !uuid7(id) || seen[id] || id[:13] < last {
			t.Fatalf("%s after %s", id, last)
		}
		seen[id], last = true, id[:13]
	}
}

// rawLog is a slog handler that writes values as they are, as careless ones do.
type rawLog struct {
	mu  *sync.Mutex
	out *bytes.Buffer
	min slog.Level
}

func (h rawLog) Enabled(_ context.Context, l slog.Level) bool { return l >= h.min }
func (h rawLog) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h rawLog) WithGroup(string) slog.Handler                { return h }
func (h rawLog) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprintf(h.out, "%s %s", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(h.out, " %s=%s", a.Key, a.Value)
		return true
	})
	h.out.WriteByte('\n')
	return nil
}

func TestAccessLog(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	log := slog.New(rawLog{&mu, &out, slog.LevelInfo})
	rt := NewRouter()
	rt.Use(AccessLog(AccessLogConfig{Logger: log, Attrs: func(w *Response, r *Request) []slog.Attr {
		return []slog.Attr{slog.String("referer", LogText(r.Header("Referer")))}
	}}))
	if err := rt.Get("/x/{name}", func(w *Response, r *Request) error {
		switch r.PathValue("name") {
		case "panic":
			panic("boom")
		case "fail":
			return errors.New("a\nb \x1b[31mred")
		}
		return answer(w, r)
	}); err != nil {
		t.Fatal(err)
	}
	ask := asker(t, rt.Handler())
	for _, c := range []struct{ send, want string }{
		{"GET /x/1?token=secret HTTP/1.1\nX-Request-Id: r1\nUser-Agent: curl", "INFO request method=GET path=/x/1 route=GET /x/{name} status=200 bytes=2 duration="},
		{"GET /x/1 HTTP/1.1\nX-Request-Id: r1\nUser-Agent: curl", " request_id=r1 client=127.0.0.1 user_agent=curl referer="},
		{"GET /x/%0d%0aERROR%20forged%1b[2J HTTP/1.1", `path=/x/%0d%0aERROR%20forged%1b[2J `},
		{"GET /x/1 HTTP/1.1\nReferer: caf\xe9 \xc2\x9b \u202etxt.exe", `referer=caf\xe9 \u009b \u202etxt.exe`},
		{"GET /x/fail HTTP/1.1", `ERROR request method=GET path=/x/fail route=GET /x/{name} status=500`},
		{"GET /x/fail HTTP/1.1", `error=a\nb \x1b[31mred`},
		{"GET /x/panic HTTP/1.1", `ERROR request method=GET path=/x/panic route=GET /x/{name} status=500`},
		{"GET /none HTTP/1.1", "INFO request method=GET path=/none route= status=404"},
		{"OPTIONS * HTTP/1.1", "INFO request method=OPTIONS path=* route= status=204"},
	} {
		mu.Lock()
		out.Reset()
		mu.Unlock()
		ask(c.send)
		mu.Lock()
		got := out.String()
		mu.Unlock()
		if !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 || strings.Contains(got, "secret") {
			t.Errorf("%q:\n got %q\nwant %q", c.send, got, c.want)
		}
		for _, b := range got[:len(got)-1] {
			if b < ' ' || b == 0x7F || b >= 0x80 && b < 0xA0 {
				t.Errorf("%q: a control character in %q", c.send, got)
			}
		}
	}
}

func TestAccessLogCostsNothingWhenDisabled(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	log := slog.New(rawLog{min: slog.LevelError + 1})
	addr, _ := serveCases(t, func(c *Config) { c.Handler = AccessLog(AccessLogConfig{Logger: log})(answer) })
	if n := exchange(t, addr, sixteenFields); n > 0 {
		t.Errorf("%v allocations per request, want none", n)
	}
}

func TestLogText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"plain text, \"quoted\"", "plain text, \"quoted\""}, {"été 日本", "été 日本"},
		{"a\r\nb", `a\r\nb`}, {"\x1b]0;title\x07", `\x1b]0;title\a`}, {`a\nb`, `a\\nb`}, {"\xff", `\xff`}, {"\u2028", `\u2028`}, {"\ufffd", "\ufffd"},
		{"\x00\x7f", `\x00\x7f`}, {strings.Repeat("x", 1025), strings.Repeat("x", 1024) + "..."}, {"\"\n", "\"\\n"},
	} {
		if got := LogText(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { LogText("Mozilla/5.0 (X11; Linux x86_64)") }); n > 0 {
		t.Errorf("%v allocations for plain text", n)
	}
}

func TestRecover(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	var seen error
	outer := func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			seen = next(w, r)
			return seen
		}
	}
	h := Chain(outer, Recover(slog.New(rawLog{&mu, &out, slog.LevelInfo})))(func(w *Response, r *Request) error { panic(io.ErrClosedPipe) })
	resp := asker(t, h)("GET /\x25 HTTP/1.1")
	var p *PanicError
	if resp.StatusCode != 500 || strings.Contains(text(t, resp), "closed pipe") || !errors.As(seen, &p) || !errors.Is(seen, io.ErrClosedPipe) || !bytes.Contains(p.Stack, []byte("TestRecover")) {
		t.Errorf("%d, %v", resp.StatusCode, seen)
	}
	if !strings.Contains(out.String(), "ERROR a handler panicked request_id=") || !strings.Contains(out.String(), "panic=io: read/write on closed pipe stack=goroutine") {
		t.Errorf("logged %q", out.String())
	}
}

func TestBodyLimit(t *testing.T) {
	h := BodyLimit(5)(func(w *Response, r *Request) error {
		b, err := r.BorrowBody(0)
		if err != nil {
			return err
		}
		return w.Send(200, "text/plain", b)
	})
	ask := asker(t, h)
	for _, c := range []struct {
		name, send string
		status     int
	}{
		{"no body", "GET / HTTP/1.1", 200},
		{"at the limit", "POST / HTTP/1.1\nContent-Length: 5\n\n12345", 200},
		{"announced above", "POST / HTTP/1.1\nContent-Length: 6\n\n123456", 413},
		{"announced above, not sent", "POST / HTTP/1.1\nContent-Length: 6\nExpect: 100-continue", 413},
		{"chunked, at the limit", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\r\n12\r\n3\r\n345\r\n0\r\n\r\n", 200},
		{"chunked, above", "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\r\n12\r\n4\r\n3456\r\n0\r\n\r\n", 413},
	} {
		if resp := ask(c.send); resp.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.status)
		}
	}
	none := asker(t, BodyLimit(-1)(answer))
	if resp := none("POST / HTTP/1.1\nContent-Length: 1\n\n1"); resp.StatusCode != 413 {
		t.Errorf("a body where none is allowed: %d", resp.StatusCode)
	}
	smaller := asker(t, BodyLimit(1<<20)(h), func(c *Config) { c.MaxBodyBytes = 3 })
	if resp := smaller("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n4\r\n1234\r\n0\r\n\r\n"); resp.StatusCode != 413 {
		t.Errorf("the server's limit was raised: %d", resp.StatusCode)
	}
}

func TestTimeout(t *testing.T) {
	h := Timeout(20 * time.Millisecond)(func(w *Response, r *Request) error {
		switch r.Path() {
		case "/waits":
			<-r.Context().Done()
			return fmt.Errorf("query: %w", r.Context().Err())
		case "/known":
			<-r.Context().Done()
			return &Error{Status: 404, Err: r.Context().Err()}
		case "/started":
			if err := w.Flush(); err != nil {
				return err
			}
			<-r.Context().Done()
			_, err := w.WriteString("late")
			return err
		}
		return context.DeadlineExceeded // of something else
	})
	ask := asker(t, h)
	for path, want := range map[string]int{"/waits": 503, "/known": 404, "/other": 500, "/started": 200} {
		if resp := ask("GET " + path + " HTTP/1.1"); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	addr, _ := serveCases(t, func(c *Config) { c.Handler = Timeout(50 * time.Millisecond)(caseHandler) })
	nc, err := net.Dial("tcp", addr) // whose body never ends
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc")
	if b, err := io.ReadAll(nc); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
		t.Errorf("a body that does not come: %q, %v", b, err)
	}
	free := asker(t, Timeout(0)(func(w *Response, r *Request) error {
		if _, has := r.Context().Deadline(); has {
			return errors.New("a deadline")
		}
		return answer(w, r)
	}))
	if resp := free("GET / HTTP/1.1"); resp.StatusCode != 200 {
		t.Errorf("no timeout: %d", resp.StatusCode)
	}
}

func TestMaxInFlight(t *testing.T) {
	for _, bad := range []struct {
		n    int
		wait time.Duration
	}{{0, 0}, {-1, 0}, {1, -1}} {
		if _, err := MaxInFlight(bad.n, bad.wait); err == nil {
			t.Errorf("MaxInFlight(%d, %v) was taken", bad.n, bad.wait)
		}
	}
	in, hold := make(chan bool, 2), make(chan bool)
	slow := func(w *Response, r *Request) error {
		in <- true
		<-hold
		return answer(w, r)
	}
	ask := asker(t, When(func(r *Request) bool { return r.Path() == "/now" }, must(t)(MaxInFlight(1, 0)))(slow))
	ended := make(chan int, 2)
	go func() { ended <- ask("GET /now HTTP/1.1").StatusCode }()
	<-in
	if resp := ask("GET /now HTTP/1.1"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("one too many: %d", resp.StatusCode)
	}
	hold <- true
	if s := <-ended; s != 200 {
		t.Errorf("the first: %d", s)
	}
	waits := asker(t, must(t)(MaxInFlight(1, time.Minute))(slow))
	for range 2 {
		go func() { ended <- waits("GET / HTTP/1.1").StatusCode }()
	}
	<-in
	hold <- true
	<-in // the second came in when the first was through
	hold <- true
	if a, b := <-ended, <-ended; a != 200 || b != 200 {
		t.Errorf("waiting: %d, %d", a, b)
	}
}

func TestAllowContentType(t *testing.T) {
	ask := asker(t, AllowContentType("application/json", "application/merge-patch+json")(answer))
	for _, c := range []struct {
		send   string
		status int
	}{
		{"GET / HTTP/1.1\nContent-Type: text/html", 200},
		{"POST / HTTP/1.1\nContent-Length: 0", 200},
		{"POST / HTTP/1.1\nContent-Length: 2\nContent-Type: application/json\n\n{}", 200},
		{"POST / HTTP/1.1\nContent-Length: 2\nContent-Type: Application/JSON ; charset=utf-8\n\n{}", 200},
		{"POST / HTTP/1.1\nContent-Length: 2\nContent-Type: text/plain\n\n{}", 415},
		{"POST / HTTP/1.1\nContent-Length: 2\nContent-Type: text/plain; application/json\n\n{}", 415},
		{"POST / HTTP/1.1\nContent-Length: 2\nContent-Type: application/jsonx\n\n{}", 415},
		{"POST / HTTP/1.1\nContent-Length: 2\n\n{}", 415},
		{"POST / HTTP/1.1\nContent-Length: 2\nContent-Type: application/json\nContent-Type: text/plain\n\n{}", 415},
		{"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\r\n\r\n", 415},
	} {
		resp := ask(c.send)
		if resp.StatusCode != c.status || c.status == 415 && resp.Header.Get("Accept") != "application/json, application/merge-patch+json" {
			t.Errorf("%q: %d %s, want %d", c.send, resp.StatusCode, resp.Header.Get("Accept"), c.status)
		}
	}
}

func TestBasicAuth(t *testing.T) {
	if _, err := BasicAuth("a\r\nb", func(*Request, string, string) bool { return true }); err == nil {
		t.Error("a realm with a line break was taken")
	}
	if _, err := BasicAuth("x", nil); err == nil {
		t.Error("no check was taken")
	}
	ask := asker(t, must(t)(BasicAuth(`the "site"`, func(r *Request, user, password string) bool {
		return SecretEqual(user, "ada") && SecretEqual(password, "a:b é")
	}))(answer))
	enc := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		field string
		ok    bool
	}{
		{"Authorization: Basic " + enc([]byte("ada:a:b é")), true},
		{"authorization: bAsIc  " + enc([]byte("ada:a:b é")), true},
		{"Authorization: Basic " + enc([]byte("ada:a:b")), false},
		{"Authorization: Basic " + enc([]byte("ada")), false},
		{"Authorization: Basic " + enc([]byte("ada:a:b é\x00")), false},
		{"Authorization: Basic " + enc([]byte("ada:a:b é")) + "!", false},
		{"Authorization: Basic", false},
		{"Authorization: Bearer " + enc([]byte("ada:a:b é")), false},
		{"Authorization: Basic " + enc([]byte("ada:a:b é")) + "\nAuthorization: Basic " + enc([]byte("ada:a:b é")), false},
		{"X: y", false},
	} {
		resp := ask("GET / HTTP/1.1\n" + c.field)
		if (resp.StatusCode == 200) != c.ok {
			t.Errorf("%s: %d", c.field, resp.StatusCode)
		}
		if want := `Basic realm="the \"site\"", charset="UTF-8"`; !c.ok && (resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != want) {
			t.Errorf("%s: %d, challenge %q", c.field, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestSecretEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "aa", false}, {"", "a", false}, {"a\x00", "a", false}} {
		if SecretEqual(c.a, c.b) != c.want {
			t.Errorf("%q, %q: want %v", c.a, c.b, c.want)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	for _, bad := range []SecurityConfig{
		{ContentSecurityPolicy: "default-src 'self'\r\nX: y"}, {StrictTransport: -time.Second}, {StrictTransport: time.Millisecond}, {StrictTransportSubdomains: true},
	} {
		if _, err := SecurityHeaders(bad); err == nil || !strings.Contains(err.Error(), "SecurityConfig") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	fail := func(w *Response, r *Request) error {
		if r.Path() == "/own" {
			if err := w.SetHeader("X-Frame-Options", "SAMEORIGIN"); err != nil {
				return err
			}
			return answer(w, r)
		}
		return Errorf(418, "no")
	}
	plain := asker(t, must(t)(SecurityHeaders(SecurityConfig{}))(fail))
	resp := plain("GET / HTTP/1.1")
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "strict-origin-when-cross-origin",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "", "Permissions-Policy": "", "Strict-Transport-Security": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q, on errors too", name, got, want)
		}
	}
	if got := plain("GET /own HTTP/1.1").Header["X-Frame-Options"]; len(got) != 1 || got[0] != "SAMEORIGIN" {
		t.Errorf("the handler's own value: %q", got)
	}
	trusting := func(c *Config) {
		c.Proxies = ProxyConfig{Trusted: prefixes(t, "loopback"), Proto: true}
	}
	ask := asker(t, must(t)(SecurityHeaders(SecurityConfig{
		ContentSecurityPolicy: "default-src 'self'", FrameOptions: "-", StrictTransport: 365 * 24 * time.Hour, StrictTransportSubdomains: true,
	}))(answer), trusting)
	if h := ask("GET / HTTP/1.1").Header; h.Get("Content-Security-Policy") != "default-src 'self'" || h.Get("X-Frame-Options") != "" || h.Get("Strict-Transport-Security") != "" {
		t.Errorf("over http: %v", h)
	}
	if got := ask("GET / HTTP/1.1\nX-Forwarded-Proto: https").Header.Get("Strict-Transport-Security"); got != "max-age=31536000; includeSubDomains" {
		t.Errorf("over https: %q", got)
	}
}

func TestAccessLogOfAnUpgrade(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	logged := make(chan bool, 1)
	upgrade := func(w *Response, r *Request) error {
		nc, _, err := r.Hijack()
		if err != nil {
			return err
		}
		_, err = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		return errors.Join(err, nc.Close())
	}
	outer := func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			defer func() { logged <- true }()
			return next(w, r)
		}
	}
	ask := asker(t, Chain(outer, AccessLog(AccessLogConfig{Logger: slog.New(rawLog{&mu, &out, slog.LevelInfo})}))(upgrade))
	if resp := ask("GET / HTTP/1.1\nUpgrade: x"); resp.StatusCode != 101 {
		t.Errorf("%d", resp.StatusCode)
	}
	<-logged
	if !strings.Contains(out.String(), "INFO request method=GET path=/ route= status=101 ") {
		t.Errorf("logged %q", out.String())
	}
}

func TestServerLogCannotBeForged(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	ask := asker(t, func(w *Response, r *Request) error {
		if r.Query().Has("panic") {
			panic("a\nERROR forged \x1b[2J")
		}
		return errors.New("broken")
	}, func(c *Config) { c.Logger = slog.New(rawLog{&mu, &out, slog.LevelInfo}) })
	for _, target := range []string{"/%0aERROR%20forged%1b[2J", "/%0d%0a?panic"} {
		ask("GET " + target + " HTTP/1.1\nX-Request-Id: \"forged")
	}
	mu.Lock()
	defer mu.Unlock()
	first, rest, _ := strings.Cut(out.String(), "\n")
	if !strings.Contains(first, "path=/%0aERROR%20forged%1b[2J ") || !strings.HasPrefix(rest, "ERROR a handler panicked ") || strings.ContainsAny(out.String(), "\r\x1b") || strings.Contains(out.String(), "\nERROR forged") {
		t.Errorf("logged %q", out.String())
	}
}

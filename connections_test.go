package lithair

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
	"github.com/lithair/lithair-go/ws"
)

// operate asks an application over the operator's socket.
func operate(t *testing.T, dir, method, target, body string) (status int, text string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(dir, "operator.sock"))
	}}}
	req, err := http.NewRequest(method, "http://operator"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestConnectionsOfAnOperator(t *testing.T) {
	dir := t.TempDir()
	a := newApp(t, Config{Dir: dir})
	chat(a)
	start(t, a)
	ada, bob, other := dialAs(t, a, "ada"), dialAs(t, a, "bob"), dialAs(t, a, "bob")
	list := func(target string, n int) (ids []uint64) {
		t.Helper()
		status, text := operate(t, dir, "GET", target, "")
		var out struct{ Connections []shownConnection }
		if err := jsonx.Unmarshal([]byte(strings.Replace(text, "connections", "Connections", 1)), &out); err != nil || status != 200 || len(out.Connections) != n {
			t.Fatalf("%d %s, want %d connections (%v)", status, text, n, err)
		}
		for _, c := range out.Connections {
			ids = append(ids, c.ID)
		}
		return ids
	}
	list("/connections", 3)
	list("/connections?user=bob", 2)
	id := list("/connections?user=ada", 1)[0]
	for _, x := range []struct {
		body   string
		status int
		want   string
	}{
		{`{}`, 400, "name a connection"}, {`{"id":1,"user":"bob"}`, 400, "name a connection"}, {`{"who":1}`, 400, "who"},
		{`{"user":"eve"}`, 404, "no such connection"}, {fmt.Sprintf(`{"id":%d}`, id), 200, `{"ended":1}`}, {`{"user":"bob"}`, 200, `{"ended":2}`},
	} {
		if status, text := operate(t, dir, "POST", "/connections/kick", x.body); status != x.status || !strings.Contains(text, x.want) {
			t.Errorf("kick %s: %d %s, want %d %s", x.body, status, text, x.status, x.want)
		}
	}
	for _, s := range []*liveSocket{ada, bob, other} {
		_, _, err := s.c.Read(t.Context())
		if e, ok := err.(*ws.CloseError); !ok || e.Code != live.CloseKicked {
			t.Errorf("a connection ended with %v", err)
		}
	}
	await(t, "they are gone", func() bool { return len(a.Live().Conns()) == 0 })
}

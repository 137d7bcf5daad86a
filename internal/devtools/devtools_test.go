package devtools

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/wire"
)

const document = `<!doctype html><title>first</title><body style="background:#f00"><script>
console.log('hello', 42, {a: 1}); setTimeout(() => { document.title = 'second'; throw new Error('planned'); }, 20);
</script>`

// TestPage walks through everything a page can be asked.
func TestPage(t *testing.T) {
	b := New(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := b.Open(ctx, serve(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(ctx, "document.title == 'second'"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Sum  int      `json:"sum"`
		List []string `json:"list"`
	}
	if err := p.Evaluate(ctx, "Promise.resolve({sum: 1 + 2, list: ['é', '\\u0000']})", &got); err != nil || got.Sum != 3 || !slices.Equal(got.List, []string{"é", "\x00"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := p.Evaluate(ctx, "undefinedName", nil); err == nil || !strings.Contains(err.Error(), "ReferenceError") {
		t.Errorf("an exception: %v", err)
	}
	if err := p.Evaluate(ctx, "undefined", new(int)); err == nil {
		t.Error("a value where there is none")
	}
	shot, err := p.Screenshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, _, _ := img.At(img.Bounds().Dx()/2, img.Bounds().Dy()/2).RGBA(); r != 0xFFFF || g != 0 {
		t.Errorf("the page is not red: %x %x", r, g)
	}
	for console := p.Console(); len(console) < 2; console = p.Console() {
		if err := p.Evaluate(ctx, "1", nil); err != nil {
			t.Fatal(err)
		}
	}
	if c := p.Console(); len(c) != 2 || c[0] != "log: hello 42 Object" || !strings.HasPrefix(c[1], "exception: ") || !strings.Contains(c[1], "planned") {
		t.Errorf("console: %q", c)
	}
	if err := p.Before(ctx, "window.early = document.scripts.length"); err != nil {
		t.Fatal(err)
	}
	early := -1
	if err := errors.Join(p.Navigate(ctx, serve(t)), p.Evaluate(ctx, "early", &early)); err != nil || early != 0 {
		t.Errorf("a script before others: %d, %v", early, err)
	}
	if err := p.Navigate(ctx, "http://127.0.0.1:1/"); err == nil {
		t.Error("a page where nothing is served")
	}
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if err := p.Wait(short, "false"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait: %v", err)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

// serve serves the document and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	s, err := wire.NewServer(wire.Config{Handler: func(w *wire.Response, r *wire.Request) error {
		return w.Send(200, "text/html; charset=utf-8", []byte(document))
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String() + "/"
}

// TestReaders: pages share cookies or have their own, and are of the size and colours that their reader prefers, also
// behind others.
func TestReaders(t *testing.T) {
	url := serve(t)
	b := New(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var pages []*Page
	for _, open := range []func(context.Context, string) (*Page, error){b.Open, b.Open, b.OpenAlone, b.OpenAlone} {
		p, err := open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	for i, name := range []string{"", "one", "two", "three"} {
		if name == "" {
			continue
		}
		if err := pages[i].Evaluate(ctx, "document.cookie = 'name="+name+"; max-age=100'", nil); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"name=one", "name=one", "name=two", "name=three"} {
		var got string
		if err := pages[i].Evaluate(ctx, "document.cookie", &got); err != nil || got != want {
			t.Errorf("page %d has %q, %v, want %q", i, got, err, want)
		}
	}
	for _, dark := range []bool{true, false} {
		if err := pages[0].Show(ctx, 390, 844, dark); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Width int  `json:"width"`
			Dark  bool `json:"dark"`
		}
		if err := pages[0].Evaluate(ctx, "({width: innerWidth, dark: matchMedia('(prefers-color-scheme: dark)').matches})", &got); err != nil || got.Width != 390 || got.Dark != dark {
			t.Errorf("dark %v: %+v, %v", dark, got, err)
		}
		shot, err := pages[0].Screenshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if img, err := png.Decode(bytes.NewReader(shot)); err != nil || img.Bounds().Dx() != 390 || img.Bounds().Dy() != 844 {
			t.Errorf("a screenshot: %v", err)
		}
	}
}

// TestEnded: calls of a browser that is gone end.
func TestEnded(t *testing.T) {
	b := New(t)
	kill(b.cmd)
	<-b.heard
	if _, err := b.Open(t.Context(), "about:blank"); err == nil {
		t.Error("a page of a browser that is gone")
	}
}

// TestNotInstalled: that no browser is there is told apart.
func TestNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Launch(t.Context()); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("%v", err)
	}
}

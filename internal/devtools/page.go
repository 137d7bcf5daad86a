package devtools

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lithair/lithair-go/jsonx"
)

// Page is a tab.
type Page struct {
	b               *Browser
	target, session string

	mu      sync.Mutex
	console []string
	loaded  chan struct{} // closed and replaced with each
}

// Open opens a page and returns once it is loaded. It shares cookies with others opened so.
func (b *Browser) Open(ctx context.Context, url string) (*Page, error) {
	return b.open(ctx, url, map[string]any{"url": "about:blank"})
}

// OpenAlone opens a page with cookies of its own, as another person's browser has.
func (b *Browser) OpenAlone(ctx context.Context, url string) (*Page, error) {
	var apart struct {
		ID string `json:"browserContextId"`
	}
	if err := b.call(ctx, "", "Target.createBrowserContext", map[string]any{"disposeOnDetach": true}, &apart); err != nil {
		return nil, err
	}
	return b.open(ctx, url, map[string]any{"url": "about:blank", "browserContextId": apart.ID})
}

func (b *Browser) open(ctx context.Context, url string, where map[string]any) (*Page, error) {
	p := &Page{b: b, loaded: make(chan struct{})}
	var target struct {
		ID string `json:"targetId"`
	}
	if err := b.call(ctx, "", "Target.createTarget", where, &target); err != nil {
		return nil, err
	}
	p.target = target.ID
	var session struct {
		ID string `json:"sessionId"`
	}
	if err := b.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": p.target, "flatten": true}, &session); err != nil {
		return nil, err
	}
	p.session = session.ID
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime"} {
		if err := p.call(ctx, domain+".enable", map[string]any{}, nil); err != nil {
			return nil, err
		}
	}
	return p, p.Navigate(ctx, url)
}

func (p *Page) call(ctx context.Context, method string, params, out any) error {
	return p.b.call(ctx, p.session, method, params, out)
}

// Navigate goes to another URL and returns once its document is loaded.
func (p *Page) Navigate(ctx context.Context, url string) error {
	p.mu.Lock()
	loaded := p.loaded
	p.mu.Unlock()
	var nav struct {
		ErrorText string `json:"errorText"`
	}
	if err := p.call(ctx, "Page.navigate", map[string]any{"url": url}, &nav); err != nil {
		return err
	}
	if nav.ErrorText != "" {
		return fmt.Errorf("devtools: %s: %s", url, nav.ErrorText)
	}
	select {
	case <-loaded:
		return nil
	case <-p.b.heard:
		return ErrEnded
	case <-ctx.Done():
		return fmt.Errorf("devtools: %s does not load: %w", url, context.Cause(ctx))
	}
}

// Evaluate evaluates a JavaScript expression in the page, waits for it where it is a
// promise, and decodes its value, as JSON, into out; out may be nil. What the page throws is
// an error.
func (p *Page) Evaluate(ctx context.Context, expression string, out any) error {
	var r struct {
		Result struct {
			Value jsonx.RawValue `json:"value"`
		} `json:"result"`
		Exception *exception `json:"exceptionDetails"`
	}
	params := map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}
	if err := p.call(ctx, "Runtime.evaluate", params, &r); err != nil {
		return err
	}
	if r.Exception != nil {
		return errors.New("devtools: the page throws " + r.Exception.String())
	}
	if out == nil {
		return nil
	}
	if len(r.Result.Value) == 0 {
		return fmt.Errorf("devtools: %.60q has no value", expression)
	}
	return jsonx.Unmarshal(r.Result.Value, out)
}

// Wait returns once an expression is true in the page. While it throws, it is not.
func (p *Page) Wait(ctx context.Context, expression string) error {
	for {
		var is bool
		err := p.Evaluate(ctx, "(() => { try { return Boolean("+expression+"); } catch { return false; } })()", &is)
		switch {
		case err == nil && is:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("devtools: waiting for %.80q: %w; the console says %q", expression, context.Cause(ctx), p.Console())
		case errors.Is(err, ErrEnded):
			return err
		}
		select { // other errors come from a document that is being replaced
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// Before has a script run in each document of the page from the next on, before those of the document.
func (p *Page) Before(ctx context.Context, script string) error {
	return p.call(ctx, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": script}, nil)
}

// Show sets the size of the page, in CSS pixels, and whether its reader prefers dark colours.
func (p *Page) Show(ctx context.Context, width, height int, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	size := map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}
	if err := p.call(ctx, "Emulation.setDeviceMetricsOverride", size, nil); err != nil {
		return err
	}
	return p.call(ctx, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Screenshot brings the page to the front, since those behind are not drawn, and returns what it looks like, as PNG.
func (p *Page) Screenshot(ctx context.Context) ([]byte, error) {
	if err := p.call(ctx, "Page.bringToFront", map[string]any{}, nil); err != nil {
		return nil, err
	}
	var shot struct {
		Data string `json:"data"`
	}
	if err := p.call(ctx, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Data)
}

// Console returns what the page has written to its console, and what it has thrown and
// nobody caught, each with its kind in front: "log: ", "error: ", "exception: ".
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.console...)
}

// Close closes the tab.
func (p *Page) Close(ctx context.Context) error {
	err := p.b.call(ctx, "", "Target.closeTarget", map[string]any{"targetId": p.target}, nil)
	p.b.mu.Lock()
	delete(p.b.pages, p.session)
	p.b.mu.Unlock()
	return err
}

type exception struct {
	Text      string `json:"text"`
	Exception struct {
		Description string         `json:"description"`
		Value       jsonx.RawValue `json:"value"`
	} `json:"exception"`
}

func (e *exception) String() string {
	return e.Text + " " + e.Exception.Description + string(e.Exception.Value)
}

// maxConsole bounds what is kept of a page's console, in lines.
const maxConsole = 1000

// happened notes an event of the page. What cannot be read is shown as it is.
func (p *Page) happened(method string, params jsonx.RawValue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := ""
	switch method {
	case "Page.loadEventFired":
		close(p.loaded)
		p.loaded = make(chan struct{})
		return
	case "Runtime.exceptionThrown":
		var e struct {
			Details exception `json:"exceptionDetails"`
		}
		if err := jsonx.Unmarshal(params, &e); err != nil {
			line = string(params)
			break
		}
		line = "exception: " + e.Details.String()
	case "Runtime.consoleAPICalled":
		line = consoleLine(params)
	default:
		return
	}
	if len(p.console) < maxConsole {
		p.console = append(p.console, line)
	}
}

func consoleLine(params jsonx.RawValue) string {
	var e struct {
		Type string `json:"type"`
		Args []struct {
			Value       jsonx.RawValue `json:"value"`
			Description string         `json:"description"`
		} `json:"args"`
	}
	if err := jsonx.Unmarshal(params, &e); err != nil {
		return string(params)
	}
	parts := make([]string, 0, len(e.Args))
	for _, a := range e.Args {
		var text string
		switch {
		case jsonx.Unmarshal(a.Value, &text) == nil:
		case len(a.Value) > 0:
			text = string(a.Value)
		default:
			text = a.Description
		}
		parts = append(parts, text)
	}
	return e.Type + ": " + strings.Join(parts, " ")
}

// Package devtools drives a headless Chromium over its DevTools protocol, for tests of what
// pages do.
//
//	b := devtools.New(t)                      // skips where no browser is installed
//	p, err := b.Open(ctx, url)                // loaded when it returns
//	err = p.Wait(ctx, "document.title == 'ready'")
//	err = p.Evaluate(ctx, "[...messages]", &messages)
//	png, err := p.Screenshot(ctx)
//
// One browser serves any number of pages, each of which is a tab. All methods are safe for
// concurrent use and end with their context. The connection to the browser is a client of
// package ws.
package devtools

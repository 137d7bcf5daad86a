package openapi

import _ "embed"

// Policy is the Content-Security-Policy that the page is to be served with: it needs its own
// script and style and the document, and nothing else.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is a part of the page.
type File struct {
	Path, ContentType string
	Body              []byte
}

//go:embed page.html
var html []byte

//go:embed page.js
var script []byte

//go:embed page.css
var style []byte

// Page are the files of a page that shows the document at /openapi.json. They name each other
// by these paths.
func Page() []File {
	return []File{
		{"/docs", "text/html; charset=utf-8", html},
		{"/docs/page.js", "text/javascript; charset=utf-8", script},
		{"/docs/page.css", "text/css; charset=utf-8", style},
	}
}

// Package js carries the client for browsers and node, an ES module without dependencies, so that a
// program can serve it from its own binary.
package js

import _ "embed"

// Module is lithair.js. It is not to be changed.
//
//go:embed lithair.js
var Module []byte

//go:build !linux

package node

import "time"

// uptime is nil: no clock is known here that goes on while the machine sleeps, and a lease must not be measured by one that
// stops.
var uptime func() time.Duration

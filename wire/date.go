package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// dates holds how responses begin in the current second: status line and Date field
// (RFC 9110 §6.6.1). It is rendered when first asked for in a second; no clock is read
// for the others. Safe for concurrent use.
type dates struct {
	now   atomic.Pointer[dateLines] // nil: the second is over
	mu    sync.Mutex
	timer *time.Timer // ends the second; under mu
}

type dateLines struct {
	ok   []byte // status line of 200 and date
	date []byte
}

// append appends a status line and the Date field.
func (d *dates) append(out []byte, status int) []byte {
	lines := d.now.Load()
	if lines == nil {
		lines = d.render()
	}
	if status == 200 {
		return append(out, lines.ok...)
	}
	return append(appendStatusLine(out, status), lines.date...)
}

func (d *dates) render() *dateLines {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	l := &dateLines{date: now.UTC().AppendFormat(nil, "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")}
	l.ok = append(appendStatusLine(nil, 200), l.date...)
	d.now.Store(l)
	left := now.Truncate(time.Second).Add(time.Second).Sub(now)
	if d.timer == nil {
		d.timer = time.AfterFunc(left, func() { d.now.Store(nil) })
	} else {
		d.timer.Reset(left)
	}
	return l
}

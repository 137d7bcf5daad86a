package eventlog_test

import (
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// TestSizeFrom: it falls with each record, is near what the records hold, and 0 behind the last.
func TestSizeFrom(t *testing.T) {
	l := open(t, eventlog.Config{FS: disk.NewSim(1), Dir: "log"})
	const records, payload = 200, 1000
	for i := uint64(1); i <= records; i++ {
		r := rec(i)
		r.Payload = make([]byte, payload)
		must(t, l.Append(r))
	}
	last := l.SizeFrom(1) + 1
	for i := uint64(1); i <= records+1; i++ {
		n := l.SizeFrom(i)
		left := int64(records+1-i) * payload
		if n >= last || n < left || n > 2*left {
			t.Fatalf("from record %d: %d bytes, %d from the one before; payloads hold %d", i, n, last, left)
		}
		last = n
	}
}

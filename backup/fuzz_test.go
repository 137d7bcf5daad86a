package backup_test

import (
	"bytes"
	"testing"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
)

// FuzzCheck changes a backup. What passes is the backup as it was: its digest, or a
// checksum, covers every byte; and what does not pass is refused in the same way by a
// restore, which writes nothing.
func FuzzCheck(f *testing.F) {
	sim := disk.NewSim(1)
	a := start(f, sim, "data", engine.SnapshotConfig{EveryBytes: 1 << 10, Compact: true})
	for i := range 30 {
		a.put(i)
	}
	file := a.hot()
	a.close()
	f.Add(0, byte(1), len(file))
	f.Add(200, byte(0x80), len(file))
	f.Add(len(file)-1, byte(255), len(file))
	f.Add(10, byte(0), len(file)/2)
	f.Add(10, byte(0), len(file))
	f.Fuzz(func(t *testing.T, at int, flip byte, size int) {
		b := bytes.Clone(file)
		if size >= 0 && size < len(b) {
			b = b[:size]
		}
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		same := bytes.Equal(b, file)
		if _, err := backup.Check(bytes.NewReader(b), nil); (err == nil) != same {
			t.Fatalf("at %d, %d of %d bytes: %v", at, len(b), len(file), err)
		}
		target := disk.NewSim(2)
		_, err := backup.Restore(bytes.NewReader(b), backup.Options{Dir: "back", FS: target, SegmentBytes: 16 << 10})
		if (err == nil) != same || !same && len(target.Files()) > 0 {
			t.Fatalf("restore, at %d, %d of %d bytes: %v, %v", at, len(b), len(file), err, target.Files())
		}
	})
}

// FuzzRead reads anything at all: an error, never a panic, and never more memory than there
// are bytes.
func FuzzRead(f *testing.F) {
	sim := disk.NewSim(1)
	a := start(f, sim, "data", engine.SnapshotConfig{})
	a.put(1)
	file := a.hot()
	a.close()
	f.Add(file)
	f.Add(file[:150])
	f.Add([]byte("LITHBAK\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sum, err := backup.Check(bytes.NewReader(b), nil)
		if err == nil && sum.Bytes != int64(len(b)) {
			t.Fatalf("%d bytes pass as %+v", len(b), sum)
		}
	})
}

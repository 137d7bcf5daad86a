package eventlog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// meter counts the bytes that are read from segments of the real disk.
type meter struct {
	disk.FS
	read atomic.Int64
}

type meteredFile struct {
	disk.File
	disk.Sparse
	of *meter
}

func (m *meter) Open(name string, how disk.Mode) (disk.File, error) {
	f, err := m.FS.Open(name, how)
	if err != nil {
		return nil, err
	}
	return &meteredFile{f, f.(disk.Sparse), m}, nil
}

func (f *meteredFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.of.read.Add(int64(n))
	return n, err
}

// TestReopenSkipsHoles: a segment's room that nobody wrote to is not read, and what stands
// in the midst of it is found all the same.
func TestReopenSkipsHoles(t *testing.T) {
	dir, fs := t.TempDir(), &meter{FS: disk.Real()}
	cfg := eventlog.Config{FS: fs, Dir: dir, SegmentBytes: 64 << 20, Logger: silent}
	fill := func() {
		l, err := eventlog.Open(cfg)
		must(t, err)
		for i := uint64(1); i <= 10; i++ {
			must(t, l.Append(rec(l.Last()+1)))
		}
		must(t, l.Close())
	}
	fill()
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	raw, err := disk.Real().Open(segments[0], disk.ReadWrite)
	must(t, err)
	defer raw.Close()
	written, err := raw.(disk.Sparse).Written()
	must(t, err)
	fs.read.Store(0)
	fill()
	if n := fs.read.Load(); n > 2*written {
		t.Errorf("%d bytes were read of a segment of which %d were written", n, written)
	}
	t.Logf("%d bytes read, %d written", fs.read.Load(), written)

	whole, err := os.ReadFile(segments[0])
	must(t, err)
	_, err = raw.WriteAt([]byte("torn"), 40<<20)
	must(t, err)
	l, err := eventlog.Open(cfg)
	must(t, err)
	if l.Recovery().CutBytes == 0 || l.Last() != 20 {
		t.Errorf("bytes behind a hole: %+v, last %d", l.Recovery(), l.Last())
	}
	must(t, l.Close())

	last := int64(bytes.LastIndex(whole, []byte("BRFL"))) // the mark of Close
	must(t, raw.Truncate(last))
	must(t, raw.Truncate(64<<20))
	_, err = raw.WriteAt(whole[last:last+4096], 50<<20)
	must(t, err)
	l, err = eventlog.Open(cfg)
	if corrupt, ok := errors.AsType[*eventlog.CorruptError](err); !ok || corrupt.Offset != last {
		t.Errorf("a later frame behind a hole: %v", err)
	}
	if err == nil {
		must(t, l.Close())
	}
}

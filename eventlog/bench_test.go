package eventlog_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

// BenchmarkAppendSync compares durable appends of 256 bytes with the least that could be
// done for them: pwrite and fdatasync in a loop, in a preallocated file.
func BenchmarkAppendSync(b *testing.B) {
	payload := make([]byte, 256)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	b.Run("raw", func(b *testing.B) {
		f, err := disk.Real().Open(filepath.Join(b.TempDir(), "raw"), disk.Create)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Allocate(0, 64<<20); err != nil {
			b.Fatal(err)
		}
		off := int64(0)
		for b.Loop() {
			if _, err := f.WriteAt(payload, off); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			off += int64(len(payload))
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	})
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("log-%d", writers), func(b *testing.B) {
			l, err := eventlog.Open(eventlog.Config{Dir: b.TempDir(), Logger: silent})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			if writers == 1 {
				for b.Loop() {
					if err := l.Append(eventlog.Record{Index: l.Last() + 1, Payload: payload}); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				var mu sync.Mutex
				next := uint64(1)
				b.SetParallelism(writers / 2)
				b.RunParallel(func(pb *testing.PB) {
					done := make(chan error, 1)
					for pb.Next() {
						mu.Lock()
						l.AppendAsync([]eventlog.Record{{Index: next, Payload: payload}}, func(err error) { done <- err })
						next++
						mu.Unlock()
						if err := <-done; err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkReopen opens a log of a million records and replays it.
func BenchmarkReopen(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	l, err := eventlog.Open(eventlog.Config{Dir: dir, Logger: silent})
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 128)
	recs := make([]eventlog.Record, 1000)
	for i := uint64(1); i <= n; i += 1000 {
		for k := range recs {
			recs[k] = eventlog.Record{Index: i + uint64(k), Payload: payload}
		}
		if err := l.Append(recs...); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for _, replay := range []bool{false, true} {
		b.Run(map[bool]string{false: "open", true: "open+replay"}[replay], func(b *testing.B) {
			for b.Loop() {
				l, err := eventlog.Open(eventlog.Config{Dir: dir, Logger: silent})
				if err != nil {
					b.Fatal(err)
				}
				if replay {
					seen := 0
					if err := l.Replay(1, func(eventlog.Record) error { seen++; return nil }); err != nil || seen != n {
						b.Fatal(seen, err)
					}
				}
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
		})
	}
}

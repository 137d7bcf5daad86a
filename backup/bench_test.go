package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/internal/disk"
)

// large is a stopped directory with 100,000 transactions.
func large(b *testing.B) (dir string, file []byte) {
	b.Helper()
	dir = b.TempDir()
	a := start(b, disk.Real(), dir, engine.SnapshotConfig{})
	for i := range 100 {
		_, err := a.e.Do(context.Background(), engine.Command{Run: func(tx *engine.Tx) (engine.Answer, error) {
			for j := range 1000 {
				if err := tx.Upsert(a.towns, &town{Name: fmt.Sprintf("town-%06d", i*1000+j), People: int64(j), Note: "a note of some length, as people write them"}); err != nil {
					return engine.Answer{}, err
				}
			}
			return engine.Answer{}, nil
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	file = a.hot()
	a.close()
	return dir, file
}

// BenchmarkBackup takes copies of a stopped directory with 100,000 records.
func BenchmarkBackup(b *testing.B) {
	dir, file := large(b)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := backup.WriteDir(context.Background(), io.Discard, nil, dir, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck reads a backup of 100,000 records.
func BenchmarkCheck(b *testing.B) {
	_, file := large(b)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := backup.Check(bytes.NewReader(file), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestore makes directories of a backup of 100,000 records.
func BenchmarkRestore(b *testing.B) {
	_, file := large(b)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := backup.Restore(bytes.NewReader(file), backup.Options{Dir: fmt.Sprintf("%s/%d", b.TempDir(), i)}); err != nil {
			b.Fatal(err)
		}
	}
}

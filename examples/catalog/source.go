package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// source is a file that items are read from.
type source struct {
	name   string
	format string
	size   int64 // bytes in all
	file   *os.File
	read   atomic.Int64 // bytes so far
}

// formats are the readers by name. Each yields items in the file's order, or an error
// that names the line; after an error it ends.
var formats = map[string]func(r io.Reader) iter.Seq2[Item, error]{
	"dpkg":   readDpkg,
	"ndjson": readNDJSON,
	"csv":    readCSV,
}

// openSource opens a file; an empty format is told by the name.
func openSource(name, format string) (*source, error) {
	if format == "" {
		switch strings.ToLower(filepath.Ext(name)) {
		case ".csv":
			format = "csv"
		case ".ndjson", ".jsonl":
			format = "ndjson"
		default:
			format = "dpkg"
		}
	}
	if formats[format] == nil {
		return nil, fmt.Errorf("no such format: %s (dpkg, ndjson, csv)", format)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &source{name: name, format: format, size: st.Size(), file: f}, nil
}

// items reads the file once.
func (s *source) items() iter.Seq2[Item, error] { return formats[s.format](s) }

// Read counts what is read.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	s.read.Add(int64(n))
	return n, err
}

// Close closes the file.
func (s *source) Close() error { return s.file.Close() }

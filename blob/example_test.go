package blob_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/lithair/lithair-go/blob"
)

// A file is called by its content: put twice, it is there once.
func Example() {
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := blob.Open(blob.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		ref, err := s.Put(strings.NewReader("hello"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ref.Hash[:8], ref.Size, "bytes;", s.Len(), "file")
	}
	f, err := s.Open(s.Hashes()[0])
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(f)
	fmt.Println(string(b), err, f.Close())
	// Output:
	// 2cf24dba 5 bytes; 1 file
	// 2cf24dba 5 bytes; 1 file
	// hello <nil> <nil>
}

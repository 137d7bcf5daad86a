// Package blob keeps files by their content: a file is called by its SHA-256, is durable
// when Put returns, and is never changed.
//
//	s, err := blob.Open(blob.Config{Dir: "data/blobs"})
//	ref, err := s.Put(r)                 // streams, hashes, syncs
//	ok := s.Use(ref.Hash)                // it is there, and stays for a while
//	f, err := s.Open(ref.Hash)           // ReadSeeker and ReaderAt
//	removed, err := s.Collect(grace, named)
//
// # Layout
//
//	XX/HASH      XX are the first two of the 64 hexadecimal digits of HASH
//	put-N.tmp    an upload under way; removed at Open
//
// With [Config.Keys] new files are sealed (see internal/crypt); names are the hash of the
// content all the same.
//
// # Life
//
// A file is first made durable and then named by a record, so there is never a record
// without its file. A crash between the two leaves a file that nothing names. Collect
// removes such files: those that were neither put nor used for the time of grace, and that
// whoever knows the records does not name. What names a file is whatever holds its 64
// digits, in any field of any model ([Named] finds them in bytes), so that neither a model
// that the program does not know nor a reference in a text loses its file.
//
// # Concurrency
//
// A Store is safe for concurrent use. One process has a directory at a time; the lock is
// that of the log beside it.
package blob

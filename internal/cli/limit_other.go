//go:build !linux

package cli

// maxFiles returns how many files a process may open, where that is known.
func maxFiles() (n uint64, known bool) { return 0, false }

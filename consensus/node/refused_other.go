//go:build !unix

package node

// refused cannot be told from other failures here: the election timeout decides.
func refused(error) bool { return false }

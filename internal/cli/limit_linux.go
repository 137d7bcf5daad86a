package cli

import "syscall"

// maxFiles returns how many files a process may open.
func maxFiles() (n uint64, known bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return r.Cur, true
}

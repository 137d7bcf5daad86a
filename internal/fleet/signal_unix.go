//go:build !windows

package fleet

import (
	"os"
	"os/exec"
	"syscall"
)

// CanStop says whether Stop works here.
const CanStop = true

// ownGroup keeps a terminal's interrupt, which goes to a group, from a node.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func stop(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func goOn(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

package devtools

import (
	"os/exec"
	"syscall"
)

// The browser is many processes: they are a group, and end together.

func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func kill(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // an error: they have ended
}

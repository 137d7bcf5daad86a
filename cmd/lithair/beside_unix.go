//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// apart gives a command a process group of its own, with all that it starts.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends a command that stands apart, with all that it started.
func endGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if err == syscall.ESRCH { // all of them had ended
		return nil
	}
	return err
}

//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

// apart gives a command a process group of its own, where there are any.
func apart(*exec.Cmd) {}

// endGroup ends a command.
func endGroup(cmd *exec.Cmd) error {
	if err := cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

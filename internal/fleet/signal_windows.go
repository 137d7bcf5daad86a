package fleet

import (
	"errors"
	"os"
	"os/exec"
)

// CanStop says whether Stop works here: Windows stops no process from outside.
const CanStop = false

func ownGroup(*exec.Cmd) {}

func stop(*os.Process) error { return errors.ErrUnsupported }
func goOn(*os.Process) error { return errors.ErrUnsupported }

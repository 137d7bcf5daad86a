package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // runs are short, and leave much behind
	os.Exit(m.Run())
}

package eventlog_test

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // logs of tests are small, and leave much behind
	os.Exit(m.Run())
}

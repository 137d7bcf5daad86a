package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
)

// TestBackupCommands is a table of command lines: a backup, what is refused, and restores.
func TestBackupCommands(t *testing.T) {
	data, work := founded(t, 40), t.TempDir()
	file, back := filepath.Join(work, "b"), filepath.Join(work, "back")
	cut := filepath.Join(work, "cut")
	locked := founded(t, 1)
	l, err := eventlog.Open(eventlog.Config{Dir: filepath.Join(locked, "log")})
	must(t, err)
	defer l.Close()
	run := func(args string, code int, want string) {
		t.Helper()
		got, out, errOut := lithair("", strings.Fields(args)...)
		if got != code || !strings.Contains(out+errOut, want) {
			t.Errorf("lithair %s: exit code %d, want %d and %q\n%s%s", args, got, code, want, out, errOut)
		}
	}
	run("backup", 2, "want FILE, got 0")
	run("backup "+file, 2, "-dir is required")
	run("backup "+file+" -dir /does/not/exist", 4, "no such file")
	run("backup "+file+" -dir "+work, 4, "no such file")
	run("backup "+file+" -dir "+locked, 5, "stop the application first")
	if _, err := os.Stat(file); err == nil {
		t.Error("a backup that failed left a file")
	}
	run("backup "+file+" -dir "+data, 0, "42 log records")
	run("backup "+file+" -dir "+data, 5, "-force replaces it")
	run("backup "+file+" -force -json -dir "+data, 0, `"seq":41`)
	run("restore "+file, 2, "-dir is required")
	run("restore "+file+" -dir "+back+" -at yesterday", 2, "is no index, no time")
	run("restore "+file+" -dir "+back+" -at 99", 4, "from sequence 0 to 41")
	run("restore "+file+" -dir "+back+" -at 2001-01-01T00:00:00Z", 0, "sequence 0")
	run("restore "+file+" -dry-run", 0, "would restore: sequence 41")
	run("restore "+file+" -dir "+back, 5, "-replace moves that aside")
	run("restore "+file+" -dir "+locked+" -replace", 5, "stop the application first")
	run("restore "+file+" -dir "+back+" -at 20 -replace", 0, "aside: ")
	run("backup "+file+".2 -dir "+back, 0, "holds what a restore replaced")
	run("state at now "+back, 0, "19 records; sequence 20")
	run("state at 10 "+back+" -model town", 0, "9 records; sequence 10")
	run("state at 21 "+back, 4, "the log ends at index 20")
	run("state at now "+back+" -model city", 4, "no model city")
	run("state at now /does/not/exist", 4, "no such file")
	run("state diff 10 12 "+back, 0, `created town town-10 {"name":"town-10","people":110}`)
	run("state diff 12 11 "+back+" -json", 0, `"change":"deleted"`)
	run("erase ann", 2, "-dir is required")
	run("erase ann -yes -dir "+back, 69, "no application answers")
	run("kick ann", 2, "-dir is required")
	run("kick ann -dir "+back, 69, "no application answers")
	run("connections -dir "+back, 69, "no application answers")
	run("state", 2, "no such command: state")
	run("state -h", 0, "state diff")
	b, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(cut, b[:len(b)-10], 0o600))
	run("restore "+cut+" -dir "+filepath.Join(work, "new"), 78, "damaged at offset")
	run("log verify "+back, 0, "sound: ")

	code, out, _ := lithair("", "restore", file, "-json", "-dir", filepath.Join(work, "third"))
	var shown cli.Restored
	must(t, json.Unmarshal([]byte(out), &shown))
	if code != 0 || shown.At != 41 || shown.AtHash != shown.Hash || shown.Models["town"] != 40 || shown.Aside != "" {
		t.Errorf("%d, %+v", code, shown)
	}
}

// TestBackupThroughPipes writes to standard output and reads from standard input.
func TestBackupThroughPipes(t *testing.T) {
	code, out, errOut := lithair("", "backup", "-", "-dir", founded(t, 5))
	if code != 0 {
		t.Fatal(errOut)
	}
	code, _, errOut = lithair(out, "restore", "-", "-dir", filepath.Join(t.TempDir(), "x"))
	if code != 0 {
		t.Error(errOut)
	}
}

package cli

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDoctor finds each thing that is wrong.
func TestDoctor(t *testing.T) {
	status := func(list []Finding, name string) string {
		for _, f := range list {
			if f.Name == name {
				return f.Status + ": " + f.Detail
			}
		}
		return "missing"
	}
	want := func(got, prefix, part string) {
		t.Helper()
		if !strings.HasPrefix(got, prefix) || !strings.Contains(got, part) {
			t.Errorf("%s, want %s with %q", got, prefix, part)
		}
	}
	dir := filepath.Join(t.TempDir(), "a[b]") // no pattern
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	list := examine(dir, "127.0.0.1:0", Input{})
	for _, name := range []string{"go", "data", "address", "clock"} {
		want(status(list, name), findingOK, "")
	}
	if got := status(list, "disk"); strings.HasPrefix(got, findingFailed) || !strings.Contains(got, "durable in") {
		t.Error(got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
	want(status(examine(filepath.Join(dir, "a", "b"), "127.0.0.1:0", Input{}), "data"), findingOK, "is not there yet")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want(status(examine(dir, l.Addr().String(), Input{}), "address"), findingFailed, "in use")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(status(examine(file, "127.0.0.1:0", Input{}), "data"), findingFailed, "is no directory")
	log := filepath.Join(dir, "log")
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(log, "00000000000000000001.seg")
	if err := os.WriteFile(segment, []byte("no segment"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(status(examine(dir, "127.0.0.1:0", Input{}), "data"), findingFailed, "[LTH3001]")
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(segment, future, future); err != nil {
		t.Fatal(err)
	}
	want(status(examine(dir, "127.0.0.1:0", Input{}), "clock"), findingFailed, "was written at")
	if f := clockFinding(dir, time.Unix(0, 0)); f.Status != findingFailed {
		t.Errorf("1970: %+v", f)
	}
	if f := goFinding("go1.25.3"); f.Status != findingFailed {
		t.Errorf("an old release: %+v", f)
	}
	if f := goFinding("go1.27.1"); f.Status != findingOK {
		t.Errorf("a new release: %+v", f)
	}
}

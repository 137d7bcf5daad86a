package lithair

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// TestMemoryBudget fills a small budget: writes that add are refused with 507, reads and
// deletes go on, and with room again so do writes.
func TestMemoryBudget(t *testing.T) {
	runtime.GC()
	runtime.GC() // pools let go with the second
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	const room = 36 << 20 // for live objects beside those that earlier tests left
	a := newApp(t, Config{MaxMemory: int64(float64(ms.HeapAlloc+room) / writesBelow)})
	notes := Model[note](a, "/api/notes")
	start(t, a)
	body := fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 256<<10))
	var ids []ID
	status := 0
	for range 1000 {
		got := call(t, a, "POST", "/api/notes", body)
		if status = got.StatusCode; status != 201 {
			if status != 507 || !strings.Contains(got.body, "LTH1031") {
				t.Fatalf("%d %s", status, got.body)
			}
			break
		}
		id, err := ParseID(got.Header.Get("Location")[len("/api/notes/"):])
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if status != 507 || len(ids) < 20 {
		t.Fatalf("%d records of 256 KiB went into 36 MiB, the last with status %d", len(ids), status)
	}
	path := "/api/notes/" + ids[0].String()
	if got := call(t, a, "GET", path, ""); got.StatusCode != 200 {
		t.Errorf("a read when memory is full: %d", got.StatusCode)
	}
	if got := call(t, a, "PATCH", path, body); got.StatusCode != 507 && got.StatusCode != 200 { // the same text changes nothing
		t.Errorf("a change when memory is full: %d", got.StatusCode)
	}
	if got := call(t, a, "GET", "/ready?verbose", ""); !strings.Contains(got.body, "]memory") {
		t.Errorf("/ready: %d %s", got.StatusCode, got.body)
	}
	for _, id := range ids[:len(ids)*3/4] {
		if got := call(t, a, "DELETE", "/api/notes/"+id.String(), "", "Idempotency-Key: "+id.String()); got.StatusCode != 204 {
			t.Fatalf("a delete when memory is full: %d %s", got.StatusCode, got.body)
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(memoryEvery) {
		runtime.GC()
		if got := call(t, a, "POST", "/api/notes", `{"text":"small"}`); got.StatusCode == 201 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no writes although %d of %d records are gone: %d of %d bytes live", len(ids)*3/4, len(ids), a.memory.live.Load(), a.memory.budget)
		}
	}
	if err := a.View(func(s *Snapshot) error {
		if n := notes.Len(s); n != len(ids)-len(ids)*3/4+1 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestCgroupLimit(t *testing.T) {
	for name, c := range map[string]struct {
		self  string
		files map[string]string
		want  int64
	}{
		"none":                {"0::/a\n", nil, 0},
		"version 2":           {"0::/a/b\n", map[string]string{"a/b/memory.max": "1000\n", "a/memory.max": "max\n"}, 1000},
		"the smallest counts": {"0::/a/b\n", map[string]string{"a/b/memory.max": "1000\n", "a/memory.max": "500\n"}, 500},
		"unlimited":           {"0::/a\n", map[string]string{"a/memory.max": "max\n"}, 0},
		"own root":            {"0::/\n", map[string]string{"memory.max": "7000\n"}, 7000},
		"version 1":           {"5:cpu:/x\n4:memory:/x\n0::/\n", map[string]string{"memory/x/memory.limit_in_bytes": "3000\n"}, 3000},
		"version 1 unlimited": {"4:memory:/x\n", map[string]string{"memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"nonsense":            {"a:b\n\n", map[string]string{"memory.max": "lots\n"}, 0},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(dir, "mount", file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		self := filepath.Join(dir, "self")
		if err := os.WriteFile(self, []byte(c.self), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := cgroupLimit(self, filepath.Join(dir, "mount")); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := cgroupLimit("/absent", "/absent"); got != 0 {
		t.Errorf("without /proc: %d", got)
	}
}

func TestPaceOfTheCollector(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live, budget int64
		want         int
	}{
		{1 * mib, 0, 800}, {16 * mib, 0, 400}, {32 * mib, 0, 200}, {64 * mib, 0, 100}, {10 << 30, 0, 100},
		{16 * mib, 1 << 30, 400}, {8 * mib, 128 * mib, 200}, {8 * mib, 40 * mib, 100}, {0, 0, 800},
	} {
		if got := paceFor(c.live, c.budget); got != c.want {
			t.Errorf("%d alive of %d: %d, want %d", c.live, c.budget, got, c.want)
		}
	}
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	m := memory{pace: 100}
	m.setPace(16 * mib)
	if got := debug.SetGCPercent(100); got != 400 {
		t.Errorf("with 16 MiB alive GOGC is %d", got)
	}
	m.setPace(18 * mib) // little else
	if m.pace != 400 {
		t.Errorf("with 18 MiB alive it is set to %d", m.pace)
	}
	m = memory{}
	m.start(0)
	m.close()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("behind the end GOGC is %d", got)
	}
	t.Setenv("GOGC", "50")
	m = memory{}
	m.start(0)
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("with GOGC given it was set to %d", got)
	}
	m.close()
}

package binenc

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestChecklist reads CHECKLIST.md: its lines are numbered, and each has a reason or tests that exist.
func TestChecklist(t *testing.T) {
	text, err := os.ReadFile("CHECKLIST.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(src, -1) {
			have[string(m[1])] = true
		}
	}
	next := 1
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| # ") {
			continue
		}
		if len(cells) != 3 || strings.TrimSpace(cells[0]) != fmt.Sprint(next) {
			t.Fatalf("want line %d, found %q", next, line)
		}
		next++
		last := strings.TrimSpace(cells[2])
		if reason, ok := strings.CutPrefix(last, "reason: "); ok {
			if len(reason) < 30 {
				t.Errorf("%q: that is no reason", line)
			}
			continue
		}
		for name := range strings.SplitSeq(last, ", ") {
			if !have[name] {
				t.Errorf("line %d: no test %q", next-1, name)
			}
		}
	}
	if next != 28 {
		t.Errorf("%d lines of 27", next-1)
	}
}

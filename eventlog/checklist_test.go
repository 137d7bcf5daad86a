package eventlog_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile(`^(?:(\S+) )?((?:Test|Fuzz)\w+)$`)

// TestChecklist reads CHECKLIST.md: lines 1 to 27 are all there, each with a reason or
// with tests that exist.
func TestChecklist(t *testing.T) {
	b, err := os.ReadFile("CHECKLIST.md")
	must(t, err)
	tests, next := map[string]map[string]bool{}, 1
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| # ") || len(cells) != 3 {
			continue
		}
		if want := fmt.Sprint(next); strings.TrimSpace(cells[0]) != want {
			t.Errorf("line %s is missing before %q", want, line)
		}
		next++
		last := strings.TrimSpace(cells[2])
		if reason, ok := strings.CutPrefix(last, "reason: "); ok {
			if len(reason) < 30 {
				t.Errorf("%q: that is no reason", line)
			}
			continue
		}
		for item := range strings.SplitSeq(last, ", ") {
			m := namedTest.FindStringSubmatch(item)
			if m == nil {
				t.Errorf("%q is no test", item)
				continue
			}
			if tests[m[1]] == nil {
				dir := "."
				if m[1] != "" {
					dir = filepath.Join("..", m[1])
				}
				tests[m[1]] = testsIn(t, dir)
			}
			if !tests[m[1]][m[2]] {
				t.Errorf("no test %q", item)
			}
		}
	}
	if next != 28 {
		t.Errorf("lines 1 to %d of 27", next-1)
	}
}

// testsIn returns the names of the test functions of a folder.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	must(t, err)
	names := map[string]bool{}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		must(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

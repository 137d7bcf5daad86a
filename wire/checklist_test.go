package wire

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

// TestChecklist reads CHECKLIST.md: lines 1 to 33 are all there, and every test and case
// that one names exists.
func TestChecklist(t *testing.T) {
	b, err := os.ReadFile("CHECKLIST.md")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]bool{}
	for _, c := range loadCases(t) {
		cases[c.id] = true
	}
	tests := map[string]map[string]bool{}
	next, rows := 1, 0
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| # ") || strings.HasPrefix(line, "| what ") {
			continue
		}
		rows++
		if len(cells) == 3 {
			if want := fmt.Sprint(next); strings.TrimSpace(cells[0]) != want {
				t.Errorf("line %s is missing before %q", want, line)
			}
			next++
		}
		last := strings.TrimSpace(cells[len(cells)-1])
		if reason, ok := strings.CutPrefix(last, "reason: "); ok {
			if len(reason) < 30 {
				t.Errorf("%q: that is no reason", line)
			}
			continue
		}
		for item := range strings.SplitSeq(last, ", ") {
			if id, ok := strings.CutPrefix(item, "case "); ok {
				if !cases[id] {
					t.Errorf("no case %q", id)
				}
				continue
			}
			m := namedTest.FindStringSubmatch(item)
			if m == nil {
				t.Errorf("%q is neither a case nor a test", item)
				continue
			}
			if tests[m[1]] == nil {
				tests[m[1]] = testsIn(t, filepath.Join("..", m[1]))
				if m[1] == "" {
					tests[""] = testsIn(t, ".")
				}
			}
			if !tests[m[1]][m[2]] {
				t.Errorf("no test %q", item)
			}
		}
	}
	if next != 34 || rows < 48 {
		t.Errorf("lines 1 to %d of 33, %d rows in all", next-1, rows)
	}
}

// testsIn returns the names of the test functions of a folder.
func testsIn(t testing.TB, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

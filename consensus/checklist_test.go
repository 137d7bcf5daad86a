package consensus

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	itemOf        = regexp.MustCompile(`[^",]*"[^"]*"|[^",]+`)
	namedTest     = regexp.MustCompile(`^(?:(\S+) )?((?:Test|Fuzz)\w+)$`)
	namedScenario = regexp.MustCompile(`^scenario ([a-z0-9-]+)$`)
	namedMutant   = regexp.MustCompile(`^mutant "([^"]+)"$`)
)

// TestChecklist reads CHECKLIST.md: 18 invariants and 32 bugs are all there, each with a reason or
// with tests, scenarios and mutants that exist.
func TestChecklist(t *testing.T) {
	b, err := os.ReadFile("CHECKLIST.md")
	if err != nil {
		t.Fatal(err)
	}
	var counts []int
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "| # ") {
			counts = append(counts, 0)
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| # ") || len(cells) != 3 {
			continue
		}
		n := &counts[len(counts)-1]
		*n++
		if want := fmt.Sprint(*n); strings.TrimSpace(cells[0]) != want {
			t.Errorf("line %s is missing before %q", want, line)
		}
		last := strings.TrimSpace(cells[2])
		if reason, ok := strings.CutPrefix(last, "reason: "); ok {
			if len(reason) < 30 {
				t.Errorf("%q: that is no reason", line)
			}
			continue
		}
		for _, item := range itemOf.FindAllString(last, -1) {
			if err := exists(strings.TrimSpace(item)); err != nil {
				t.Errorf("line %d: %v", *n, err)
			}
		}
	}
	if !slices.Equal(counts, []int{18, 32}) {
		t.Errorf("the tables have %v lines, not 18 and 32", counts)
	}
}

// exists says what is wrong with a name in the list.
func exists(item string) error {
	if m := namedScenario.FindStringSubmatch(item); m != nil {
		_, err := os.Stat(filepath.Join("testdata", m[1]+".txt"))
		return err
	}
	if m := namedMutant.FindStringSubmatch(item); m != nil {
		for _, x := range mutants {
			if x.name == m[1] {
				return nil
			}
		}
		return fmt.Errorf("no mutant %q", m[1])
	}
	m := namedTest.FindStringSubmatch(item)
	if m == nil {
		return fmt.Errorf("%q is no test", item)
	}
	dir := "."
	if m[1] != "" {
		dir = m[1]
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if strings.Contains(string(b), "\nfunc "+m[2]+"(") {
			return nil
		}
	}
	return fmt.Errorf("no test %q", item)
}

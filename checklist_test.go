package lithair_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// checklists are the packages with a CHECKLIST.md, and how many numbered lines its tables have.
var checklists = map[string][]int{
	"binenc":    {27},
	"consensus": {18, 32, 6, 6, 4}, // the usual ones, several groups, releases that differ, and full disks
	"eventlog":  {28},              // the usual 27, and erasure
	"jsonx":     {15, 0},           // the second goes by letters
	"wire":      {33, 0},           // the second has no numbers
	"ws":        {22, 0},           // the second has no numbers
}

// heldBy is what a line of a checklist may name: a test, of another package with its folder before it, a
// case of wire, a scenario or a planted bug of consensus.
var heldBy = []struct {
	form *regexp.Regexp
	// where it must stand: files under the package, and the text there, with $1 and $2 of the form
	files, text string
}{
	{regexp.MustCompile(`^()((?:Test|Fuzz)\w+)$`), "*_test.go", "\nfunc $2("},
	{regexp.MustCompile(`^(\S+) ((?:Test|Fuzz)\w+)$`), "$1/*_test.go", "\nfunc $2("},
	{regexp.MustCompile(`^case (\S+)$`), "testdata/http1/cases.txt", "\ncase $1\n"},
	{regexp.MustCompile(`^scenario ([a-z0-9-]+)$`), "testdata/$1.txt", ""},
	{regexp.MustCompile(`^mutant ("[^"]+")$`), "mutant_test.go", "$1"},
	{regexp.MustCompile(`^(\S+) mutant ("[^"]+")$`), "$1/mutant_test.go", "$2"},
}

// TestChecklists: the lines of each list are all there, and each has a reason or names what exists.
func TestChecklists(t *testing.T) {
	found, err := filepath.Glob("*/CHECKLIST.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(checklists) {
		t.Errorf("%d lists, %d are known here", len(found), len(checklists))
	}
	items := regexp.MustCompile(`(?:[^",]|"[^"]*")+`)
	for pkg, want := range checklists {
		b, err := os.ReadFile(filepath.Join(pkg, "CHECKLIST.md"))
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		named := 0
		for line := range strings.Lines(string(b)) {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			switch first := strings.TrimSpace(cells[0]); {
			case !strings.HasPrefix(line, "| "):
				continue
			case first == "#" || first == "what":
				numbers = append(numbers, 0)
				continue
			default:
				if n, err := strconv.Atoi(first); err == nil {
					last := &numbers[len(numbers)-1]
					if *last++; n != *last {
						t.Errorf("%s: line %d is missing before %q", pkg, *last, line)
					}
				}
			}
			last := strings.TrimSpace(cells[len(cells)-1])
			if reason, ok := strings.CutPrefix(last, "reason: "); ok {
				if len(reason) < 30 {
					t.Errorf("%s: %q: that is no reason", pkg, line)
				}
				continue
			}
			for _, item := range items.FindAllString(last, -1) {
				named++
				if err := standsIn(pkg, strings.TrimSpace(item)); err != nil {
					t.Errorf("%s: %q: %v", pkg, line, err)
				}
			}
		}
		if !slices.Equal(numbers, want) {
			t.Errorf("%s: tables of %v lines, want %v", pkg, numbers, want)
		}
		t.Logf("%s: %d names", pkg, named)
	}
}

// standsIn says what is wrong with a name in a package's list.
func standsIn(pkg, item string) error {
	for _, h := range heldBy {
		m := h.form.FindStringSubmatchIndex(item)
		if m == nil {
			continue
		}
		expand := func(s string) string { return string(h.form.ExpandString(nil, s, item, m)) }
		for _, dir := range []string{pkg, "."} { // a folder is one of the package, or of the module
			files, err := filepath.Glob(filepath.Join(dir, expand(h.files)))
			if err != nil {
				return err
			}
			for _, path := range files {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				if strings.Contains(string(b), expand(h.text)) {
					return nil
				}
			}
		}
		return fmt.Errorf("there is no %s", item)
	}
	return fmt.Errorf("%q is nothing that can be looked for", item)
}

package gen

import (
	"bytes"
	"fmt"
	"strings"
)

// IsGenerated says that a file begins as generated ones do.
func IsGenerated(src []byte) bool { return bytes.HasPrefix(src, []byte(header+"\n")) }

// Diff shows how a file changes, in unified form with three lines around each change.
func Diff(name, old, new string) string {
	a, b := lines(old), lines(new)
	edits := compare(a, b)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s (generated)\n", name, name)
	for i := 0; i < len(edits); {
		if edits[i].op == ' ' {
			i++
			continue
		}
		from, to := max(0, i-around), i
		for j := i; j < len(edits) && j <= to+2*around; j++ {
			if edits[j].op != ' ' {
				to = j
			}
		}
		end := min(len(edits), to+1+around)
		hunk(&out, edits[from:end])
		i = end
	}
	return out.String()
}

const around = 3

// edit is one line: kept ' ', taken out '-' or put in '+'.
type edit struct {
	op           byte
	text         string
	atOld, atNew int // line numbers, from 1, of the next line on each side
}

func hunk(out *strings.Builder, edits []edit) {
	olds, news := 0, 0
	for _, e := range edits {
		if e.op != '+' {
			olds++
		}
		if e.op != '-' {
			news++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", edits[0].atOld, olds, edits[0].atNew, news)
	for _, e := range edits {
		fmt.Fprintf(out, "%c%s\n", e.op, e.text)
	}
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// maxCells bounds the table of compare; what differs in larger texts is shown as a whole.
const maxCells = 1 << 24

// compare finds the shortest list of edits, by the table of longest common subsequences of
// what lies between the first and the last difference.
func compare(a, b []string) (edits []edit) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	i, j := 0, 0
	put := func(op byte, text string) {
		edits = append(edits, edit{op, text, i + 1, j + 1})
		if op != '+' {
			i++
		}
		if op != '-' {
			j++
		}
	}
	for i < head {
		put(' ', a[i])
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	common := table(x, y)
	for i < len(a)-tail || j < len(b)-tail {
		p, q := i-head, j-head
		switch {
		case p < len(x) && q < len(y) && x[p] == y[q] && common != nil:
			put(' ', a[i])
		case q == len(y) || p < len(x) && (common == nil || common[p+1][q] >= common[p][q+1]):
			put('-', a[i])
		default:
			put('+', b[j])
		}
	}
	for i < len(a) {
		put(' ', a[i])
	}
	return edits
}

// table has the length of the longest common subsequence of a[i:] and b[j:]; nil when it
// would be too large.
func table(a, b []string) [][]int32 {
	if (len(a)+1)*(len(b)+1) > maxCells {
		return nil
	}
	t := make([][]int32, len(a)+1)
	for i := range t {
		t[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if t[i][j] = max(t[i+1][j], t[i][j+1]); a[i] == b[j] {
				t[i][j] = t[i+1][j+1] + 1
			}
		}
	}
	return t
}

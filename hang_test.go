package lithair

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// httpClient gives up on a server that does not answer, so that the test can say where it hangs.
var httpClient = &http.Client{Timeout: time.Minute}

// watchTimeout ends the test program a little before -timeout would, with a text that can be
// read at a glance instead of all stacks.
func watchTimeout() {
	flag.Parse()
	f := flag.Lookup("test.timeout")
	d, ok := f.Value.(flag.Getter).Get().(time.Duration)
	if !ok || d <= 0 {
		return
	}
	time.AfterFunc(d-d/20, func() {
		fmt.Fprintf(os.Stderr, "the tests take longer than %v; goroutines:\n%s", d-d/20, goroutines())
		os.Exit(2)
	})
}

var (
	stateOf   = regexp.MustCompile(`^goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[([^,\]]*)`)
	callOf    = regexp.MustCompile(`(?m)^((?:[\w.-]+/)*)([^\s(][^\n]*?)\([^()\n]*\)\n\t(\S+/)?([^\s/]+:\d+)`)
	uselessOf = regexp.MustCompile(`^(runtime|sync|internal|time|testing|net|bufio|io)[./]`)
)

// goroutines returns a line for each place where goroutines are, with their number; those of
// tests come last.
func goroutines() string {
	b := make([]byte, 64<<20)
	counts := map[string]int{}
	for g := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		state := stateOf.FindStringSubmatch(g)
		if state == nil {
			continue
		}
		var calls []string
		for _, m := range callOf.FindAllStringSubmatch(g, -1) {
			if len(calls) == 6 {
				break
			}
			if !uselessOf.MatchString(m[1] + m[2]) {
				calls = append(calls, m[2]+" "+m[4])
			}
		}
		counts["["+state[1]+"] "+strings.Join(calls, " < ")]++
	}
	var lines []string
	for line, n := range counts {
		lines = append(lines, fmt.Sprintf("%4d %s\n", n, line))
	}
	slices.SortFunc(lines, func(a, b string) int {
		if x, y := strings.Contains(a, "_test.go"), strings.Contains(b, "_test.go"); x != y {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	return strings.Join(lines, "")
}

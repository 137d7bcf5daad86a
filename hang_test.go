package lithair

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long tests wait for what comes by itself: longer than a busy machine with a slow disk takes, and short
// enough for a test to say what is missing before -timeout.
const patience = time.Minute

// httpClient gives up on a server that does not answer, so that the test can say where it hangs.
var httpClient = &http.Client{Timeout: patience}

// bounded is a context of a test that ends when patience does. It is not for cleanups.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await waits until a condition holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	awaitOr(t, func() string { return what }, holds)
}

// awaitOr waits until a condition holds; missing says what does not, when it has not.
func awaitOr(t testing.TB, missing func() string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !holds(); {
		select {
		case <-end:
			t.Fatalf("not within %v: %s; goroutines:\n%s", patience, missing(), goroutines())
		case <-tick.C:
		}
	}
}

// receive takes from a channel what a goroutine is about to put there.
func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatalf("never: %s", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s; goroutines:\n%s", patience, what, goroutines())
		panic("unreachable")
	}
}

// closed waits until a channel is closed, or has something.
func closed[T any](t testing.TB, what string, c <-chan T) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s; goroutines:\n%s", patience, what, goroutines())
	}
}

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

package soak

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/jsonx"
)

// TestHearing: what members may not hear is found, and what they may is not.
func TestHearing(t *testing.T) {
	message := func(epoch string, n, i int, from string) string {
		return fmt.Sprintf(`{"op":"message","epoch":%q,"n":%d,"data":{"from":%q,"i":%d}}`, epoch, n, from, i)
	}
	joined := `{"op":"joined","epoch":"1-1","n":2,"history":[` + message("1-1", 2, 1, "a") + `]}`
	for _, c := range []struct {
		name   string
		frames []string
		want   string // part of the error of the last frame; empty: none
	}{
		{"in order", []string{joined, message("1-1", 3, 2, "a"), message("1-1", 5, 1, "b")}, ""},
		{"another owner numbers anew", []string{joined, message("1-1", 3, 2, "a"), `{"op":"epoch","epoch":"2-3","n":1}`, message("2-3", 2, 3, "a")}, ""},
		{"a number again", []string{joined, message("1-1", 3, 2, "a"), message("1-1", 3, 1, "b")}, "behind number 3"},
		{"a number of the history", []string{joined, message("1-1", 2, 2, "a")}, "behind number 2"},
		{"a message of the history again", []string{joined, message("1-1", 3, 1, "a")}, "twice"},
		{"a message again, by another owner", []string{joined, message("1-1", 3, 2, "a"), message("2-3", 1, 2, "a")}, "twice"},
		{"a sender's messages turned round", []string{joined, message("1-1", 3, 3, "a"), message("1-1", 4, 2, "a")}, "comes behind 3"},
		{"another message than others have by that number", []string{joined, message("1-1", 9, 2, "a")}, "was \"other\""},
		{"an error that says why", []string{joined, `{"op":"error","id":"s","code":"rate_limited"}`}, ""},
		{"an error that may not be", []string{joined, `{"op":"error","id":"s","code":"forbidden"}`}, "forbidden"},
	} {
		r := &run{t: &reporter{out: io.Discard, begun: time.Now()}, tally: newTally()}
		h := hearing{member: &member{run: r, order: &order{said: map[string]string{`"1-1" 9`: "other"}}}, seen: map[string]bool{}, last: map[string]int{}}
		for k, text := range c.frames {
			var f roomFrame
			if err := jsonx.Unmarshal([]byte(text), &f); err != nil {
				t.Fatal(err)
			}
			err := h.take(&f)
			last := k == len(c.frames)-1
			if (err != nil) != (last && c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: frame %d gives %v, want %q", c.name, k+1, err, c.want)
			}
		}
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/cli"
)

func TestSim(t *testing.T) {
	code, out, errOut := lithair("", "sim", "-seed", "4", "-runs", "2")
	if code != 0 || !strings.HasPrefix(out, "2 runs, 0 failed; ") || errOut != "" {
		t.Fatalf("code %d: %s %s", code, out, errOut)
	}
	first := strings.SplitN(out, "\n", 2)[1]
	if _, out, _ := lithair("", "sim", "-seed", "4", "-runs", "2", "-parallel", "1"); strings.SplitN(out, "\n", 2)[1] != first {
		t.Errorf("two at a time end otherwise than one after the other:\n%s%s", first, out)
	}
	code, story, _ := lithair("", "sim", "-seed", "4", "-trace")
	if code != 0 || !strings.Contains(story, " leader in term ") || !strings.Contains(story, "the faults stop") {
		t.Fatalf("code %d: the story has no leader or no end: %.400s", code, story)
	}
	if code, _, errOut := lithair("", "sim", "-runs", "0"); code != cli.CodeUsage || !strings.Contains(errOut, "-runs is 0") {
		t.Fatalf("code %d: %s", code, errOut)
	}
}

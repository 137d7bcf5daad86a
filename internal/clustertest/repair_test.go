package clustertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/fleet"
)

// flip turns a bit of the log of a node that does not run, in the frame that holds a text.
func flip(f *fleet.Fleet, i int, text string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join(f.Nodes[i].Dir, "log", "*.seg"))
	if err != nil {
		f.Fatalf("%v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatalf("%v", err)
		}
		at := strings.Index(string(b), text)
		if at < 0 {
			continue
		}
		b[at] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			f.Fatalf("%v", err)
		}
		return
	}
	f.Fatalf("%q is not in the log of node %d", text, i+1)
}

// TestRotHeals: a node is killed and a bit of its log turns. Started again, it fetches the record from the others, and is
// what they are; it votes as before. Then the same happens to all three, each elsewhere, at once.
func TestRotHeals(t *testing.T) {
	f := fleet.New(t, fleet.Options{Nodes: 3})
	for i := range f.Nodes {
		f.Start(i)
	}
	lead := f.Leader()
	for k := range 40 {
		f.Put(k%3, fmt.Sprintf("register-%02d", k))
	}
	f.Equal()
	odd := (lead + 1) % 3
	f.Kill(odd)
	flip(f, odd, "register-07")
	f.Start(odd)
	f.Put(odd, "register-behind")
	f.Equal()
	if got := f.Figure(odd, "lithair_repair_records_total"); got == "" || got == "0" {
		t.Errorf("lithair_repair_records_total is %q", got)
	}
	if got := f.Figure(odd, "lithair_repair_cuts_total"); got != "0" {
		t.Errorf("lithair_repair_cuts_total is %q: it is another incarnation", got)
	}
	if !strings.Contains(f.Words(odd), "whole again") {
		t.Errorf("it does not say what it has done:\n%s", f.Words(odd))
	}
	for i := range f.Nodes {
		f.Kill(i)
	}
	for i := range f.Nodes {
		flip(f, i, fmt.Sprintf("register-%02d", 10+5*i))
	}
	for i := range f.Nodes {
		f.Start(i)
	}
	f.Leader()
	f.Put(0, "register-at-the-end")
	n := f.Equal()
	for i := range f.Nodes {
		if got := f.Figure(i, "lithair_repair_records_total"); got == "" || got == "0" {
			t.Errorf("node %d: lithair_repair_records_total is %q", i+1, got)
		}
	}
	t.Logf("4 bits turned, %d transactions, hash %s on all nodes", n.Seq, n.Hash)
}

package clustertest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// put writes a register through a node, again until it is acknowledged.
func (f *fleet) put(through int, name string) {
	f.Helper()
	body := fmt.Sprintf(`{"op":%q,"register":%q,"arg":7,"old":0}`, name, name)
	f.await("a write through node "+fmt.Sprint(through+1), func() bool {
		q, err := http.NewRequest("POST", f.nodes[through].url+"/api/_command/put", strings.NewReader(body))
		if err != nil {
			f.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Idempotency-Key", name)
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == 200
	})
}

// flip turns a bit of the log of a node that does not run, in the frame that holds a text.
func (f *fleet) flip(i int, text string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join(f.nodes[i].dir, "log", "*.seg"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		at := strings.Index(string(b), text)
		if at < 0 {
			continue
		}
		b[at] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			f.Fatal(err)
		}
		return
	}
	f.Fatalf("%q is not in the log of node %d", text, i+1)
}

// figure reads one of a node's figures.
func (f *fleet) figure(i int, name string) string {
	f.Helper()
	_, b, _, err := get(f.nodes[i].url+"/metrics", time.Second)
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// TestRotHeals: a node is killed and a bit of its log turns. Started again, it fetches the record from the others, and is
// what they are; it votes as before. Then the same happens to all three, each elsewhere, at once.
func TestRotHeals(t *testing.T) {
	f := newFleet(t, 3, nil)
	for i := range f.nodes {
		f.start(i)
	}
	lead := f.leader()
	for k := range 40 {
		f.put(k%3, fmt.Sprintf("register-%02d", k))
	}
	f.equal()
	odd := (lead + 1) % 3
	f.kill(odd)
	f.flip(odd, "register-07")
	f.start(odd)
	f.put(odd, "register-behind")
	f.equal()
	if got := f.figure(odd, "lithair_repair_records_total"); got == "" || got == "0" {
		t.Errorf("lithair_repair_records_total is %q", got)
	}
	if got := f.figure(odd, "lithair_repair_cuts_total"); got != "0" {
		t.Errorf("lithair_repair_cuts_total is %q: it is another incarnation", got)
	}
	if !strings.Contains(f.words(odd), "whole again") {
		t.Errorf("it does not say what it has done:\n%s", f.words(odd))
	}
	for i := range f.nodes {
		f.kill(i)
	}
	for i := range f.nodes {
		f.flip(i, fmt.Sprintf("register-%02d", 10+5*i))
	}
	for i := range f.nodes {
		f.start(i)
	}
	f.leader()
	f.put(0, "register-at-the-end")
	n := f.equal()
	for i := range f.nodes {
		if got := f.figure(i, "lithair_repair_records_total"); got == "" || got == "0" {
			t.Errorf("node %d: lithair_repair_records_total is %q", i+1, got)
		}
	}
	t.Logf("4 bits turned, %d transactions, hash %s on all nodes", n.Seq, n.Hash)
}

package crashtest

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 0, "kills of TestSurvivesKill; 0: 6, or 200 when LITHAIR_LONG is set")
	seed   = flag.Uint64("seed", 0, "seed of the clients' choices; 0: a new one")
)

const (
	clients      = 8
	roundsPerDir = 25 // then a fresh folder, so that checking everything stays quick
)

func TestSurvivesKill(t *testing.T) {
	n := *rounds
	if n == 0 {
		n = 6
		if os.Getenv("LITHAIR_LONG") != "" {
			n = 200
		}
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	var sum counts
	for from := 0; from < n; from += roundsPerDir {
		sum.add(survive(t, min(roundsPerDir, n-from), *seed+uint64(from)))
	}
	t.Logf("%d kills (%d during start-up): %d acknowledged writes, 0 lost; %d under way when killed, of which %d had taken effect; %d commands retried by key, 0 applied twice; %d events consumed and as many jobs done, each once",
		sum.kills, sum.early, sum.acks, sum.unknown, sum.tookEffect, sum.retried, sum.audited)
	if n < 200 {
		t.Logf("short form: %d of 200 rounds; the rest by -rounds 200 or LITHAIR_LONG=1", n)
	}
	if sum.acks == 0 || sum.unknown == 0 {
		t.Error("nothing was acknowledged, or nothing was ever under way: the test tests nothing")
	}
}

// counts is what a run comes to.
type counts struct{ kills, early, acks, unknown, tookEffect, retried, audited int }

func (c *counts) add(o counts) {
	c.kills, c.early, c.acks = c.kills+o.kills, c.early+o.early, c.acks+o.acks
	c.unknown, c.tookEffect, c.retried, c.audited = c.unknown+o.unknown, c.tookEffect+o.tookEffect, c.retried+o.retried, c.audited+o.audited
}

// survive kills one server so many times, on one folder.
func survive(t *testing.T, rounds int, seed uint64) (sum counts) {
	t.Helper()
	dir := t.TempDir()
	choose := rand.New(rand.NewPCG(seed, 1<<32))
	shared := &claims{owner: map[string]string{}, wanted: map[string]map[string]bool{}}
	var cs []*client
	for i := range clients {
		cs = append(cs, newClient(i, seed, shared))
	}
	for round := range rounds {
		shared.round = round
		s := mustStart(t, dir)
		if choose.IntN(4) == 0 { // die while starting, too
			time.Sleep(time.Duration(choose.IntN(60)) * time.Millisecond)
			s.kill()
			sum.kills, sum.early = sum.kills+1, sum.early+1
			s = mustStart(t, dir)
		}
		mustAwait(t, s)
		check(t, s.addr, cs, shared, &sum)
		var wg sync.WaitGroup
		for _, c := range cs {
			wg.Go(func() { c.run(s.addr) })
		}
		time.Sleep(time.Duration(30+choose.IntN(300)) * time.Millisecond)
		s.kill()
		sum.kills++
		wg.Wait()
		for _, c := range cs {
			if c.failure != nil {
				t.Fatalf("round %d: %v", round, c.failure)
			}
		}
	}
	s := mustStart(t, dir)
	mustAwait(t, s)
	check(t, s.addr, cs, shared, &sum)
	for _, c := range cs {
		c.addr, c.http = s.addr, http.DefaultClient
		if !c.retryBump() {
			t.Errorf("client %d: its last bump is not answered: %v", c.id, c.failure)
		}
		sum.acks, sum.retried = sum.acks+c.acks, sum.retried+c.retried
	}
	check(t, s.addr, cs, shared, &sum)
	sum.audited += awaitWork(t, s.addr)
	if err := s.stop(); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	return sum
}

// awaitWork waits until consumer and queue have dealt with every entry, once, and returns how many there were.
func awaitWork(t *testing.T, addr string) int {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		d, err := dump(addr)
		if err != nil {
			t.Fatal(err)
		}
		entries := int64(0)
		for _, amounts := range d.entries {
			entries += int64(len(amounts))
		}
		if d.work["audited"] == entries && d.work["posted"] == entries {
			return int(entries)
		}
		if time.Now().After(end) {
			t.Fatalf("of %d entries %d are audited and %d posted", entries, d.work["audited"], d.work["posted"])
		}
	}
}

func mustStart(t *testing.T, dir string) *server {
	t.Helper()
	s, err := start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

func mustAwait(t *testing.T, s *server) {
	t.Helper()
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
}

// dumped is the content of a server.
type dumped struct {
	notes, claims map[string]string
	balance       int64
	entries       map[string][]int64 // amounts by transfer
	counters      map[string]int64
	work          map[string]int64 // of consumer and queue
}

func dump(addr string) (d dumped, err error) {
	d = dumped{notes: map[string]string{}, claims: map[string]string{}, entries: map[string][]int64{}, counters: map[string]int64{}, work: map[string]int64{}}
	resp, err := http.Get("http://" + addr + "/dump")
	if err != nil {
		return d, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return d, fmt.Errorf("dump: %s: %w", resp.Status, err)
	}
	var broken []error
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		number := func() int64 {
			n, err := strconv.ParseInt(f[2], 10, 64)
			if err != nil {
				broken = append(broken, fmt.Errorf("dump line %q: %w", line, err))
			}
			return n
		}
		switch f[0] {
		case "note":
			d.notes[f[1]] = f[2]
		case "claim":
			if d.claims[f[1]] != "" {
				broken = append(broken, fmt.Errorf("%s belongs to %s and to %s", f[1], d.claims[f[1]], f[2]))
			}
			d.claims[f[1]] = f[2]
		case "account":
			d.balance += number()
		case "entry":
			d.entries[f[1]] = append(d.entries[f[1]], number())
		case "counter":
			d.counters[f[1]] = number()
		case "work":
			d.work[f[1]] = number()
		default:
			broken = append(broken, errors.New(strings.TrimSpace(line)))
		}
	}
	return d, errors.Join(broken...)
}

// check holds everything the server has against everything the clients know, and
// settles what was unknown.
func check(t *testing.T, addr string, cs []*client, shared *claims, sum *counts) {
	t.Helper()
	d, err := dump(addr)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(accounts * openingBalance); d.balance != want {
		t.Errorf("the sum of all balances is %d, want %d: a transfer is half there", d.balance, want)
	}
	for _, c := range cs {
		checkNotes(t, c, d, sum)
		checkTransfers(t, c, d, sum)
		checkCounter(t, c, d, sum)
	}
	if len(d.notes) > 0 {
		t.Errorf("%d notes nobody wrote, or that were deleted: %.200v", len(d.notes), d.notes)
	}
	if len(d.entries) > 0 {
		t.Errorf("%d transfers nobody made: %.200v", len(d.entries), d.entries)
	}
	checkClaims(t, shared, d, sum)
	if t.Failed() {
		t.FailNow()
	}
}

// checkNotes takes the client's notes out of the dump.
func checkNotes(t *testing.T, c *client, d dumped, sum *counts) {
	for id, n := range c.notes {
		text, there := d.notes[id]
		delete(d.notes, id)
		if n.pending != nil { // the old state or the new one, whole
			sum.unknown++
			if there == n.pending.exists && text == n.pending.text {
				sum.tookEffect++
				*n = *n.pending
				continue
			}
			n.pending = nil
		}
		if there != n.exists || text != n.text {
			t.Errorf("note %s: there %v with %.20q (%d bytes), acknowledged: %v with %.20q (%d bytes)", id, there, text, len(text), n.exists, n.text, len(n.text))
		}
	}
}

// checkTransfers takes the client's transfers out of the dump.
func checkTransfers(t *testing.T, c *client, d dumped, sum *counts) {
	for id, o := range c.transfers {
		amounts := d.entries[id]
		delete(d.entries, id)
		whole := len(amounts) == 2 && amounts[0] == -amounts[1]
		switch {
		case o == acknowledged && !whole:
			t.Errorf("transfer %s was acknowledged and has entries %v", id, amounts)
		case o == unknown && !whole && len(amounts) != 0:
			t.Errorf("transfer %s is half there: %v", id, amounts)
		case o == unknown:
			sum.unknown++
			if whole {
				sum.tookEffect++
				c.transfers[id] = acknowledged
			} else {
				delete(c.transfers, id) // it may not come back later: an entry would be nobody's
			}
		}
	}
}

func checkCounter(t *testing.T, c *client, d dumped, sum *counts) {
	got, most := d.counters[c.counter()], c.bumps.acked
	if c.bumps.pending != "" {
		most++
	}
	if got < c.bumps.acked || got > most {
		t.Errorf("%s is %d, but %d bumps were acknowledged and %d are under way", c.counter(), got, c.bumps.acked, most-c.bumps.acked)
	}
}

func checkClaims(t *testing.T, shared *claims, d dumped, sum *counts) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for name, id := range shared.owner {
		if d.claims[name] != id {
			t.Errorf("%s was given to %s and belongs to %q", name, id, d.claims[name])
		}
	}
	for name, id := range d.claims {
		if shared.owner[name] != "" {
			continue
		}
		if !shared.wanted[name][id] {
			t.Errorf("%s belongs to %s, which never asked", name, id)
		}
		sum.tookEffect++
		shared.owner[name] = id
	}
	for _, ids := range shared.wanted {
		sum.unknown += len(ids)
	}
	clear(shared.wanted)
}

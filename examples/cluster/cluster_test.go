package main

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// TestLeadersDie: three processes, writers through all of them, the leader killed with SIGKILL
// again and again: no acknowledged write is lost, none is there twice, the hashes are equal.
// LITHAIR_LONG=1 makes it ten minutes.
func TestLeadersDie(t *testing.T) {
	s := settings{runs: 5 * time.Second, every: 1500 * time.Millisecond, writers: 6}
	if os.Getenv("LITHAIR_LONG") != "" {
		s.runs, s.every, s.pace = 10*time.Minute, 3*time.Second, 20*time.Millisecond
	}
	var out bytes.Buffer
	o, err := s.run(t.Context(), &out)
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
	if o.kills == 0 || o.acknowledged < 100 || len(o.gaps) != o.kills {
		t.Errorf("%d kills, %d writes, writes behind %d kills: this proves nothing", o.kills, o.acknowledged, len(o.gaps))
	}
}

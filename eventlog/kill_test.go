//go:build unix

package eventlog_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/eventlog"
)

// piece is what writer w writes as its n-th record.
func piece(w, n int) string {
	return strings.Repeat(fmt.Sprintf("writer %d, record %d. ", w, n), 1+n%40)
}

// killedWriter is the process that is killed: several writers that print each record once
// it is durable, as index, writer and number.
func killedWriter(dir string) error {
	l, err := eventlog.Open(eventlog.Config{Dir: dir, SegmentBytes: 256 << 10, MarkAfter: time.Millisecond, Logger: silent})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				first, err := l.Add(eventlog.Record{Payload: []byte(piece(w, n))})
				if err == nil {
					_, err = os.Stdout.WriteString(fmt.Sprintf("%d %d %d\n", first, w, n))
				}
				if err == nil && n%50 == 49 {
					_, err = l.Retain(eventlog.Retention{Keep: first, MaxBytes: 2 << 20})
				}
				if err != nil {
					failed <- err
					return
				}
				if n%10 == w {
					time.Sleep(3 * time.Millisecond) // now and then a mark
				}
			}
		}()
	}
	return <-failed
}

// TestSIGKILL kills a writing process again and again, on the real disk: each record that
// it said to be durable is there, and the log is sound.
func TestSIGKILL(t *testing.T) {
	if dir := os.Getenv("EVENTLOG_KILL_DIR"); dir != "" {
		fmt.Fprintln(os.Stderr, killedWriter(dir))
		os.Exit(1)
	}
	kills := 4
	if long {
		kills = 1000
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(uint64(kills), 4))
	acked, torn := 0, 0
	for k := range kills {
		said := killOne(t, dir, time.Duration(rng.IntN(40_000))*time.Microsecond)
		acked += len(said)
		l, err := eventlog.Open(eventlog.Config{Dir: dir, SegmentBytes: 256 << 10, Logger: silent})
		if err != nil {
			t.Fatalf("kill %d: %v", k, err)
		}
		if l.Recovery().CutBytes > 0 {
			torn++
		}
		first := l.First()
		must(t, l.Replay(first, func(r eventlog.Record) error {
			if want, ok := said[r.Index]; ok && want != string(r.Payload) {
				t.Errorf("kill %d: record %d is another", k, r.Index)
			}
			delete(said, r.Index)
			return nil
		}))
		for i := range said {
			if i >= first {
				t.Fatalf("kill %d: record %d was acknowledged and is gone; the log holds %d to %d", k, i, first, l.Last())
			}
		}
		must(t, l.Close())
		if k%20 == 3 {
			if _, err := eventlog.Verify(eventlog.Config{FS: nil, Dir: dir}, nil); err != nil {
				t.Fatalf("kill %d: %v", k, err)
			}
		}
	}
	t.Logf("%d kills, %d records acknowledged, %d torn tails cut; LITHAIR_LONG=%v", kills, acked, torn, long)
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
}

// killOne starts a writer, kills it some time after its first word, and returns what it
// said, by index.
func killOne(t *testing.T, dir string, after time.Duration) map[uint64]string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSIGKILL$")
	cmd.Env = append(os.Environ(), "EVENTLOG_KILL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var words strings.Builder
	cmd.Stderr = &words
	must(t, cmd.Start())
	said := map[uint64]string{}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // the line that was cut off says nothing
		}
		must(t, err)
		var i uint64
		var w, n int
		if _, err := fmt.Sscanf(line, "%d %d %d\n", &i, &w, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if len(said) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended by itself, which Wait tells
		}
		said[i] = piece(w, n)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v: %s", err, words.String())
	}
	return said
}

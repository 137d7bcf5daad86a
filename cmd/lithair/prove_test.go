package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
)

// TestProve proves a record to somebody who has the record, the root and the proof alone.
func TestProve(t *testing.T) {
	dir := t.TempDir()
	l, err := eventlog.Open(eventlog.Config{Dir: filepath.Join(dir, "log")})
	must(t, err)
	var recs []eventlog.Record
	for i := range uint64(eventlog.RangeSize + 10) {
		recs = append(recs, eventlog.Record{Index: i + 1, Time: int64(i), Payload: bytes.Repeat([]byte("x"), int(i%50))})
	}
	must(t, l.Append(recs...))
	must(t, l.Close())

	code, out, words := lithair("", "log", "prove", "-json", "77", dir)
	if code != 0 {
		t.Fatal(words)
	}
	var e cli.Evidence
	must(t, json.Unmarshal([]byte(out), &e))
	root, err := hex.DecodeString(e.Root)
	must(t, err)
	b, err := hex.DecodeString(e.Proof)
	must(t, err)
	p, err := eventlog.ParseProof(b)
	must(t, err)
	if err := eventlog.VerifyProof(eventlog.Sum(root), recs[76], p); err != nil || e.Index != 77 || e.Range != 0 {
		t.Errorf("%+v: %v", e, err)
	}
	if err := eventlog.VerifyProof(eventlog.Sum(root), recs[77], p); err == nil {
		t.Error("another record is proved")
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"77 " + dir, 0, e.Root},
		{"4100 " + dir, 1, "ends at 8192, the log at 4106"},
		{"0 " + dir, 2, "no index"},
		{"x " + dir, 2, "no index"},
		{"1 " + t.TempDir(), 4, "holds no log"},
		{dir, 2, "INDEX"},
	} {
		if code, out, words := lithair("", append([]string{"log", "prove"}, strings.Fields(c.args)...)...); code != c.code || !strings.Contains(out+words, c.want) {
			t.Errorf("%s: %d, %s%s", c.args, code, out, words)
		}
	}
}

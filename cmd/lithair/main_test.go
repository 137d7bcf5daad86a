package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/engine"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/model"
)

type town struct {
	Name   string `json:"name" lithair:"primary_key"`
	People int    `json:"people"`
	Old    bool   `json:"old"`
}

// founded writes a data directory with towns, over several segments, and closes it.
func founded(t *testing.T, towns int) string { return sealed(t, towns, nil) }

// sealed is founded with an encrypted log.
func sealed(t *testing.T, towns int, keys eventlog.KeyProvider) string {
	t.Helper()
	dir := t.TempDir()
	e, err := engine.New(engine.Config{Open: func(sink engine.Sink) (engine.Order, error) {
		l, err := eventlog.Open(eventlog.Config{Dir: filepath.Join(dir, "log"), SegmentBytes: 8192, Keys: keys})
		if err != nil {
			return nil, err
		}
		return node.Start(node.Config{Log: l, Sink: sink})
	}})
	must(t, err)
	m, err := model.Of(reflect.TypeFor[town]())
	must(t, err)
	table, err := e.Register(m)
	must(t, err)
	ctx := context.Background()
	must(t, e.Start(ctx))
	for i := range towns {
		_, err := e.Do(ctx, engine.Command{Name: "found", Run: func(tx *engine.Tx) (engine.Answer, error) {
			return engine.Answer{}, tx.Insert(table, &town{Name: fmt.Sprintf("town-%02d", i), People: 100 + i, Old: i == 1})
		}})
		must(t, err)
	}
	must(t, e.Close(ctx))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lithair runs a command line.
func lithair(in string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	c := &cli.Console{In: bufio.NewReader(strings.NewReader(in)), Out: &o, Err: &e}
	code = program().Run(c, args)
	return code, o.String(), e.String()
}

// flip turns a bit of the n-th segment.
func flip(t *testing.T, dir string, n int, off int64) {
	t.Helper()
	segs, err := filepath.Glob(filepath.Join(dir, "log", "*.seg"))
	must(t, err)
	b, err := os.ReadFile(segs[n])
	must(t, err)
	b[off] ^= 4
	must(t, os.WriteFile(segs[n], b, 0o600))
}

// TestKeys reads an encrypted log with keys from a file and from the environment, and says
// what is wrong without.
func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	const good, bad = "1:3f6a1c0d9be2487755aa01b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6", "1:aa6a1c0d9be2487755aa01b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6"
	must(t, os.WriteFile(file, []byte(good), 0o600))
	wrong := filepath.Join(t.TempDir(), "wrong")
	must(t, os.WriteFile(wrong, []byte(bad), 0o600))
	dir := sealed(t, 40, crypt.File(file))
	for _, c := range []struct {
		args, env string
		code      int
		want      string
	}{
		{"log verify " + dir, "", 77, "it is encrypted, and no keys are configured"},
		{"log verify -encryption-key-file " + file + " " + dir, "", 0, "sound: "},
		{"log verify " + dir, good, 0, "sound: "},
		{"log dump " + dir + " -encryption-key-file " + file, "", 0, "town-39"},
		{"log repair -encryption-key-file " + file + " " + dir, "", 0, "nothing to repair"},
		{"log verify -encryption-key-file " + wrong + " " + dir, "", 77, "not the one that this was sealed with: number 1"},
		{"log verify " + dir, "2:" + good[2:], 77, "the key is unknown: number 1"},
		{"log verify " + dir, "tooshort", 77, "as 64 hexadecimal digits"},
		{"log verify -encryption-key-file /does/not/exist " + dir, "", 4, "no such file"},
	} {
		if c.env != "" {
			t.Setenv("LITHAIR_ENCRYPTION_KEY", c.env)
		} else {
			must(t, os.Unsetenv("LITHAIR_ENCRYPTION_KEY"))
		}
		if code, out, words := lithair("", strings.Fields(c.args)...); code != c.code || !strings.Contains(out+words, c.want) {
			t.Errorf("%s, with %q: %d, %s%s", c.args, c.env, code, out, words)
		}
	}
}

// TestExitCodes is a table of command lines and what they answer.
func TestExitCodes(t *testing.T) {
	sound, damaged, empty := founded(t, 40), founded(t, 40), t.TempDir()
	flip(t, damaged, 1, 4096+70)
	locked := founded(t, 1)
	l, err := eventlog.Open(eventlog.Config{Dir: filepath.Join(locked, "log")})
	must(t, err)
	defer l.Close()
	brackets := filepath.Join(t.TempDir(), "[a-]") // which a pattern would take for something else
	must(t, os.Rename(founded(t, 1), brackets))
	halfway := founded(t, 1)
	must(t, os.WriteFile(filepath.Join(halfway, "restore.state"), []byte("clear replaced-1\n"), 0o600))
	cases := []struct {
		args string
		in   string
		code int
		want string // in what is printed
	}{
		{"", "", 2, "usage"},
		{"log verify " + halfway, "", 1, "a restore of this directory was cut off"},
		{"schema history " + halfway, "", 1, "a restore of this directory was cut off"},
		{"log dump " + halfway, "", 1, "a restore of this directory was cut off"},
		{"log repair -yes " + halfway, "", 1, "a restore of this directory was cut off"},
		{"-h", "", 0, "log verify"},
		{"help", "", 0, "log verify"},
		{"log -h", "", 0, "log verify"},
		{"log", "", 2, "no such command"},
		{"blog dump x", "", 2, "no such command: blog"},
		{"log dmp x", "", 2, "no such command: log dmp"},
		{"log dump", "", 2, "want DIR, got 0 arguments"},
		{"log dump a b", "", 2, "want DIR, got 2 arguments"},
		{"log dump -h", "", 0, "examples:"},
		{"log verify -nonsense " + sound, "", 2, "nonsense"},
		{"log repair -json " + damaged, "", 2, "-json cannot ask"},
		{"log verify /does/not/exist", "", 4, "no such file"},
		{"log verify " + empty, "", 4, "holds no log"},
		{"log verify " + locked, "", 5, "stop the application first"},
		{"log dump " + locked, "", 5, "locked by"},
		{"log repair " + locked, "", 5, "locked by"},
		{"log verify " + sound, "", 0, "sound: "},
		{"log verify " + filepath.Join(sound, "log"), "", 0, "sound: "},
		{"log verify " + brackets, "", 0, "sound: "},
		{"log repair " + sound, "", 0, "nothing to repair"},
		{"log dump " + sound + " -from 2 -to 3", "", 0, "entry"},
		{"log verify " + damaged, "", 78, "damaged: "},
		{"log dump " + damaged, "", 78, "what could be read was printed"},
		{"log repair -dry-run " + damaged, "", 0, "would keep"},
		{"log repair " + damaged, "", 1, "nothing was changed"},
		{"log repair " + damaged, "y\n", 1, "nothing was changed"},
		{"log verify " + damaged, "", 78, "damaged: "},
		{"log repair " + damaged, "yes\n", 0, "done: the log ends at record"},
		{"log verify " + damaged, "", 0, "sound: "},
	}
	for _, c := range cases {
		code, out, errOut := lithair(c.in, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("lithair %s: exit code %d, want %d and %q\n%s%s", c.args, code, c.code, c.want, out, errOut)
		}
	}
}

// TestDump reads names and values back without the Go type, as lines and as JSON.
func TestDump(t *testing.T) {
	dir := founded(t, 3)
	code, out, errOut := lithair("", "log", "dump", dir)
	for _, want := range []string{"membership", "members: 1 voter", "created schema town", `command "found"`, `created town town-01 {"name":"town-01","old":true,"people":101}`} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q is missing: %d\n%s%s", want, code, out, errOut)
		}
	}
	code, out, _ = lithair("", "log", "dump", "-json", dir)
	var last cli.Record
	lines := 0
	for line := range strings.Lines(out) {
		last = cli.Record{}
		must(t, json.Unmarshal([]byte(line), &last))
		if lines++; last.Index != uint64(lines) {
			t.Errorf("line %d: %s", lines, line)
		}
	}
	if code != 0 || lines == 0 || len(last.Transactions) == 0 {
		t.Fatalf("%d, %d lines", code, lines)
	}
	if e := last.Transactions[0].Events[0]; e.Model != "town" || e.Key != "town-02" || e.Fields["people"] != 102. {
		t.Errorf("%+v", e)
	}
	if code, out, _ := lithair("", "log", "dump", "-from", "2", "-to", "2", "-json", dir); code != 0 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, `{"index":2,`) {
		t.Errorf("one record: %d, %s", code, out)
	}
}

// TestRepairJSON holds the documents against each other: what a dry run announces is what
// is done, and what verify finds afterwards.
func TestRepairJSON(t *testing.T) {
	dir := founded(t, 40)
	flip(t, dir, 1, 4096+70)
	ask := func(code int, args ...string) (v cli.Verdict) {
		t.Helper()
		got, out, errOut := lithair("", append(append([]string{"log"}, args...), "-json", dir)...)
		if got != code {
			t.Fatalf("%v: %d, want %d: %s%s", args, got, code, out, errOut)
		}
		must(t, json.Unmarshal([]byte(out), &v))
		return v
	}
	before := ask(cli.CodeDamaged, "verify")
	plan := ask(0, "repair", "-dry-run")
	done := ask(0, "repair", "-yes")
	after := ask(0, "verify")
	if before.Sound || len(before.Damaged) != 1 || plan.Done || !done.Done || !after.Sound {
		t.Errorf("%+v\n%+v\n%+v\n%+v", before, plan, done, after)
	}
	if plan.Keep == nil || *plan.Keep != *done.Keep || after.Last != *plan.Keep || after.Last != before.Damaged[0].First-1 || plan.Lost == 0 {
		t.Errorf("%+v\n%+v", plan, after)
	}
	for _, name := range plan.Aside {
		if _, err := os.Stat(name + ".damaged"); err != nil {
			t.Error(err)
		}
	}
}

package cli

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

// TestColor colours nothing that is no terminal, unless it is told to, and never where it is told not to.
func TestColor(t *testing.T) {
	p := &Program{Name: "tool", Commands: []Command{{Name: "fail", What: "fails", Setup: func(*flag.FlagSet) func(*Console, Input) error {
		return func(c *Console, _ Input) error {
			return errors.Join(errors.New("as ever"), c.PrintDiff("  a\n+b\n-c"))
		}
	}}}}
	const diff, colored = "  a\n+b\n-c", "  a\n\x1b[32m+b\x1b[0m\n\x1b[31m-c\x1b[0m"
	for _, c := range []struct {
		args             string
		noColor, forced  string
		want             bool
		code             int
		out, errContains string
	}{
		{"fail", "", "", false, CodeFailed, diff, "tool fail: as ever"},
		{"fail -color always", "", "", true, CodeFailed, colored, "\x1b[31mtool fail\x1b[0m: as ever"},
		{"fail --color=always", "1", "", true, CodeFailed, colored, "\x1b[31mtool fail"},
		{"fail", "", "1", true, CodeFailed, colored, "\x1b[31mtool fail"},
		{"fail", "1", "1", false, CodeFailed, diff, "tool fail: as ever"},
		{"fail -color never", "", "1", false, CodeFailed, diff, "tool fail: as ever"},
		{"fail -color red", "", "", false, CodeUsage, "", "want auto, always or never"},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("FORCE_COLOR", c.forced)
		var out, words bytes.Buffer
		code := p.Run(&Console{Out: &out, Err: &words}, strings.Fields(c.args))
		if code != c.code || out.String() != c.out || !strings.Contains(words.String(), c.errContains) || strings.Contains(words.String(), "\x1b") != c.want {
			t.Errorf("%s (NO_COLOR=%s FORCE_COLOR=%s): exit code %d, out %q, err %q", c.args, c.noColor, c.forced, code, &out, &words)
		}
	}
	if file, err := os.Create(t.TempDir() + "/file"); err != nil || isTerminal(file) || file.Close() != nil {
		t.Error("a file is a terminal", err)
	}
}

package lithair_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// block is a fenced block of a document.
type block struct {
	file, language, text string
	line                 int
}

// blocksOf reads the fenced blocks of a document.
func blocksOf(t *testing.T, file string) (list []block) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	for i, line := range strings.Split(string(b), "\n") {
		switch {
		case open != nil && line == "```":
			list, open = append(list, *open), nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &block{file: file, language: strings.TrimPrefix(line, "```"), line: i + 1}
		}
	}
	return list
}

// shown are the blocks that are run: those of README.md. What docs shows, its own tests run.
func shown(t *testing.T) []block { return blocksOf(t, "README.md") }

// servers are lines that go on until they are stopped, and where they answer.
var servers = regexp.MustCompile(`^(go run \./examples/blog|go run \.|\./blog .*-addr (\S+) .* &)$`)

// passedOver are lines that are not run, and why.
var passedOver = map[string]string{
	"go test ./...": "in the checkout, this test is a part of it",
}

// follows are what blocks begin with that go on where the one before has ended, in the same
// folder and with the same servers.
var follows = []string{"curl", "go tool lithair gen client"}

// script makes what bash runs of a block.
func (b block) script(t *testing.T, inCheckout bool) (text string) {
	t.Helper()
	joined := strings.ReplaceAll(b.text, "\\\n", " ")
	for line := range strings.Lines(joined) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
		line = strings.TrimSpace(line)
		line, _, _ = strings.Cut(line, "      #")
		if why := passedOver[line]; why != "" && inCheckout {
			t.Logf("%s:%d: %s is not run: %s", b.file, b.line, line, why)
			continue
		}
		inCheckout = inCheckout && !strings.HasPrefix(line, "cd ")
		text += "echo '+ '" + quoteShell(line) + " >&2\n"
		m := servers.FindStringSubmatch(line)
		switch {
		case m == nil && strings.HasPrefix(line, "curl"):
			text += "curl -fsS" + strings.TrimPrefix(line, "curl") + "\n"
		case m == nil:
			text += line + "\n"
		case m[2] != "":
			text += line + "\nstarted $! " + m[2] + "\n"
		default:
			text += line + " &\nstarted $! 127.0.0.1:8080\n"
		}
	}
	return text
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// prelude is what scripts begin with: servers are waited for, and go when the script does.
const prelude = `set -eum
servers=
trap 'for s in $servers; do kill -- -$s 2>/dev/null || true; done; wait 2>/dev/null || true' EXIT
started() {
	servers="$servers $1"
	for i in $(seq 600); do
		if curl -fsS "http://$2/health" >/dev/null 2>&1; then return; fi
		kill -0 "$1"
		sleep 0.1
	done
	echo "nobody answers at $2" >&2
	exit 1
}
`

// ports gives each port in a text a free one in its place.
func ports(t *testing.T, text string) string {
	t.Helper()
	free := map[string]string{}
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllStringFunc(text, func(at string) string {
		for range 100 { // below the ports that systems give out by themselves: there, somebody's connection could take it
			if free[at] != "" {
				break
			}
			if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+rand.IntN(20000))); err == nil {
				free[at] = l.Addr().String()
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if free[at] == "" {
			t.Fatal("no port is free")
		}
		return free[at]
	})
}

// TestShellBlocks runs every block of commands that README.md shows, in order, as a reader of this
// checkout would; ports and folders alone are others.
func TestShellBlocks(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("NOT RUN: with -short, the commands of the documents are not run")
	}
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: the commands of the documents are not run, because there is no %s here", tool)
		}
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	var scripts []string
	for _, b := range shown(t) {
		if b.language != "sh" {
			continue
		}
		text := b.script(t, true)
		if n := len(scripts); n > 0 && continues(b) {
			scripts[n-1] += text
			continue
		}
		scripts = append(scripts, text)
	}
	for i, text := range scripts {
		begun := time.Now()
		text = strings.NewReplacer("../notes", outside+"/notes", "data1", outside+"/data1", "data2", outside+"/data2", "data3", outside+"/data3",
			"build -o blog ", "build -o "+outside+"/blog ", "./blog ", outside+"/blog ").Replace(text)
		text = ports(t, prelude+text+"true 127.0.0.1:8080\n")
		serve := regexp.MustCompile(`true (\S+)\n$`).FindStringSubmatch(text)[1]
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "bash", "-c", text)
		cmd.WaitDelay = 10 * time.Second
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "LITHAIR_ADDR="+serve)
		if !strings.Contains(text, "-data ") { // else the flag says where
			cmd.Env = append(cmd.Env, fmt.Sprintf("LITHAIR_DATA=%s/data-%d", outside, i))
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Errorf("%v\n%s\n--\n%s", err, text, out.String())
		}
		t.Logf("%d commands in %s", strings.Count(text, "echo '+ '"), time.Since(begun).Round(time.Second))
	}
	if len(scripts) < 3 {
		t.Errorf("%d scripts: the documents have more", len(scripts))
	}
}

// continues says that a block goes on where the one before has ended.
func continues(b block) bool {
	for _, word := range follows {
		if strings.HasPrefix(b.text, word) {
			return true
		}
	}
	return false
}

// TestGoBlocks compiles every block of Go that README.md shows: programs as they are, and
// parts of one with the imports and names that they need.
func TestGoBlocks(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, b := range shown(t) {
		if b.language != "go" {
			continue
		}
		n++
		dir := t.TempDir()
		name, text := "main.go", b.text
		if !strings.HasPrefix(text, "package ") {
			name, text = "main_test.go", fragment+text
		}
		for file, content := range map[string]string{name: text, "go.mod": "module shown\n\ngo 1.26\n\nrequire github.com/lithair/lithair-go v0.0.0\n\nreplace github.com/lithair/lithair-go => " + root + "\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "vet", ".")
		cmd.WaitDelay = 10 * time.Second
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s:%d: %v\n%s", b.file, b.line, err, out)
		}
	}
	if n == 0 {
		t.Error("there are no blocks")
	}
	t.Logf("%d blocks", n)
}

// fragment stands in front of parts of a program.
const fragment = `package main

import (
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/lithairtest"
)

func newApp(cfg lithair.Config) *lithair.App { return lithair.New(cfg) }

var _ = []any{time.Second, lithairtest.Epoch, newApp, (*testing.T)(nil)}

`

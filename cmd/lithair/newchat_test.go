package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/devtools"
)

// TestNewChatTalks: two people with browsers of their own talk in what new writes.
func TestNewChatTalks(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	b := devtools.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "talk")
	if code, _, err := lithair("", "new", dir, "-template", "chat"); code != 0 {
		t.Fatal(err)
	}
	url := runProject(t, dir)
	arrive := func(name string) *devtools.Page {
		p, err := b.OpenAlone(ctx, url)
		must(t, err)
		must(t, p.Wait(ctx, `!document.getElementById('door').hidden`))
		must(t, p.Evaluate(ctx, fmt.Sprintf(`document.getElementById('name').value = %q; document.querySelector('#door button').click()`, name), nil))
		must(t, p.Wait(ctx, fmt.Sprintf(`document.getElementById('state').textContent === 'Connected' && document.getElementById('people').textContent.includes(%q)`, name)))
		return p
	}
	ada, bob := arrive("Ada"), arrive("Bob")
	must(t, ada.Wait(ctx, `document.getElementById('people').textContent === 'Ada, Bob'`))
	must(t, ada.Evaluate(ctx, `text.value = 'hello <b>you</b>'; text.dispatchEvent(new Event('input')); undefined`, nil))
	must(t, bob.Wait(ctx, `document.getElementById('typing').textContent === 'Ada is typing…'`))
	must(t, ada.Evaluate(ctx, `document.querySelector('#say button').click()`, nil))
	for _, p := range []*devtools.Page{ada, bob} {
		must(t, p.Wait(ctx, `document.querySelectorAll('#messages li').length === 1 && document.querySelector('#messages li:not(.waiting) span').textContent === 'hello <b>you</b>'`))
	}
	must(t, bob.Wait(ctx, `document.getElementById('typing').textContent === ''`))
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		must(t, bob.Show(ctx, 390, 844, true))
		png, err := bob.Screenshot(ctx)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "template-chat.png"), png, 0o644))
	}
	must(t, bob.Close(ctx))
	must(t, ada.Wait(ctx, `document.getElementById('people').textContent === 'Ada'`))
	if said := append(ada.Console(), bob.Console()...); len(said) > 0 {
		t.Errorf("%q", said)
	}
}

var serving = regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]*`)

// runProject builds a project and starts it; it returns where it is served.
func runProject(t *testing.T, dir string) string {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "program", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(filepath.Join(dir, "program"), "-addr", "127.0.0.1:0")
	cmd.Dir = dir
	said, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill() // an error says that it has ended
		cmd.Wait()
	})
	mute := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer mute.Stop()
	lines := bufio.NewScanner(said)
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		if at := serving.FindString(lines.Text()); at != "" {
			go func() {
				for lines.Scan() { // so that it never waits for its log to be read
				}
			}()
			return "http://" + at + "/"
		}
	}
	t.Fatalf("the program does not say where it serves: %q", all)
	return ""
}

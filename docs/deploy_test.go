package docs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// blocks returns the blocks of a guide that begin with a mark, in order.
func blocks(t *testing.T, file, mark string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+regexp.QuoteMeta(mark)+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	if len(list) == 0 {
		t.Fatalf("%s has no block %q", file, mark)
	}
	return list
}

// prelude stands in for what the guide finds on a machine: sudo, and systemctl, which starts and
// stops what the unit says.
const prelude = `set -eu -o pipefail
sudo() { "$@"; }
pidfile=$ROOT/pid
begin() {
	export CREDENTIALS_DIRECTORY=$ROOT/etc/notes
	eval "exec $(sed -n 's/^ExecStart=//p' "$ROOT/unit")" >>"$ROOT/service.log" 2>&1 &
	echo $! >"$pidfile"
}
end() {
	local pid; pid=$(cat "$pidfile")
	kill -TERM "$pid"
	wait "$pid"
	rm "$pidfile"
}
systemctl() {
	case "$1" in
	enable) begin ;;
	restart) end; begin ;;
	stop) end ;;
	*) echo "systemctl $1 is not known here" >&2; return 1 ;;
	esac
}
trap 'if [ -e "$pidfile" ]; then kill -TERM "$(cat "$pidfile")"; fi' EXIT
PATH=$ROOT/usr/local/bin:$PATH
mkdir -p "$ROOT/usr/local/bin" "$ROOT/etc"
`

// TestDeploy runs the steps of the guide on a new project, from top to bottom.
func TestDeploy(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	for _, tool := range []string{"bash", "openssl", "curl", "install"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %s is not installed", tool)
		}
	}
	root := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "ROOT="+root)
		cmd.WaitDelay = 10 * time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(root, "service.log"))
			t.Fatalf("%s %v: %v\n%s\nthe service said:\n%s", name, args, err, out, log)
		}
		return string(out)
	}
	project := filepath.Join(root, "notes")
	run("..", "go", "run", "./cmd/lithair", "new", project, "-no-frontend")

	// The guide's directories are below root, and its port is one that is free.
	port := strings.TrimSpace(run(".", "bash", "-c", `for p in $(seq 18443 18543); do if ! (exec 3<>/dev/tcp/127.0.0.1/$p) 2>/dev/null; then echo $p; exit; fi; done; exit 1`))
	move := strings.NewReplacer("/usr/local/bin", root+"/usr/local/bin", "/var/lib/notes", root+"/var/lib/notes", "/etc/notes", root+"/etc/notes", "8443", port, "127.0.0.1:8080", "127.0.0.1:0")
	unit := blocks(t, "deploy.md", "ini notes.service")[0]
	if err := os.WriteFile(filepath.Join(root, "unit"), []byte(move.Replace(unit)), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := blocks(t, "deploy.md", "sh")
	script := prelude
	for _, s := range steps {
		script += move.Replace(s)
	}
	if os.Getenv("LITHAIR_LONG") == "" {
		// The standard library would be compiled once more for it, which takes a minute.
		const asShown = "CGO_ENABLED=0 go build -trimpath"
		if !strings.Contains(script, asShown) {
			t.Errorf("the guide does not say %q any more", asShown)
		}
		script = strings.ReplaceAll(script, asShown, "go build")
		t.Log("skipped: CGO_ENABLED=0 and -trimpath; LITHAIR_LONG=1 builds as the guide does")
	}
	file := filepath.Join(root, "steps.sh")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(project, "bash", file)
	for _, want := range []string{"ok   disk", `"status":"healthy"`, "sound: ", `"text":"kept"`, `"status":"ok"`, "lithair_memory_live_bytes", "is free"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	t.Logf("%d blocks, %d lines", len(steps), strings.Count(strings.Join(steps, ""), "\n"))
}

// TestUnit has systemd look at the unit of the guide.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT RUN: systemd-analyze is not installed")
	}
	// The program of the unit must exist for verify.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "notes.service")
	unit := strings.ReplaceAll(blocks(t, "deploy.md", "ini notes.service")[0], "/usr/local/bin/notes", program)
	if regexp.MustCompile(`(?m)^RestartPreventExitStatus=.*\b2\b`).MatchString(unit) {
		t.Error("a program that panics, or that the watchdog aborts, ends with 2, and is not started again")
	}
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", file}, {"security", "--offline=true", "--threshold=20", file}} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
		if args[0] == "security" {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Log(lines[len(lines)-1])
		}
	}
}

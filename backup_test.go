package lithair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/internal/crypt"
)

// overSocket asks the operator's socket.
func overSocket(t *testing.T, dir, path string) *http.Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(dir, "operator.sock"))
	}}}
	res, err := client.Get("http://operator" + path)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// keyFile writes a file with keys, numbered from 1.
func keyFile(t *testing.T, keys ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	var text strings.Builder
	for i, k := range keys {
		fmt.Fprintf(&text, "%d:%s\n", i+1, k)
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var (
	keyA = strings.Repeat("0a1b2c3d", 8)
	keyB = strings.Repeat("5e6f7a8b", 8)
)

const marker = "marker-that-nobody-may-see"

// TestBackupOfAnEncryptedApplication takes a backup over the socket while the application
// writes, restores it, and looks for what was written in every file there is.
func TestBackupOfAnEncryptedApplication(t *testing.T) {
	dir := t.TempDir()
	one := keyFile(t, keyA)
	a := withNotes(newApp(t, Config{Dir: dir, EncryptionKeyFile: one, Retention: "snapshot"}))
	a.Committed("follower", func(context.Context, Entry) error { return nil })
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if res := call(t, a, "POST", "/api/notes", fmt.Sprintf(`{"text":"%s %d"}`, marker, i)); res.StatusCode != 201 {
			t.Fatal(res.body)
		}
	}
	if res := call(t, a, "GET", "/backup", ""); res.StatusCode != 404 {
		t.Errorf("a backup is for operators alone: %d", res.StatusCode)
	}
	res := overSocket(t, dir, "/backup")
	var file bytes.Buffer
	if _, err := file.ReadFrom(res.Body); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if metrics := call(t, a, "GET", "/metrics", "").body; strings.Contains(metrics, "lithair_backup_last_success_timestamp_seconds 0") {
		t.Error("no metric tells of the backup")
	}
	want := a.engine.Root().Hash()
	if err := a.engine.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}

	both := keyFile(t, keyA, keyB)
	back := filepath.Join(t.TempDir(), "back")
	if _, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: back}); !errors.Is(err, crypt.ErrNoKeys) {
		t.Errorf("without keys: %v", err)
	}
	done, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: back, Keys: crypt.File(both)})
	if err != nil || done.AtHash != want || done.Info.Name != "test" || done.Summary.Records == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	nothingShows(t, dir, back)
	if bytes.Contains(file.Bytes(), []byte(marker)) {
		t.Error("the backup shows what is in it")
	}

	b := withNotes(newApp(t, Config{Dir: back, EncryptionKeyFile: both}))
	start(t, b)
	if b.engine.Root().Hash() != want {
		t.Error("another state")
	}
	if b.identity.NodeID == a.identity.NodeID || b.identity.ClusterID == a.identity.ClusterID {
		t.Error("the restored directory takes itself for the old node")
	}
	if list := call(t, b, "GET", "/api/notes?take=50", "").body; strings.Count(list, marker) != 20 {
		t.Errorf("restored: %s", list)
	}
}

// nothingShows looks for the marker in every file of some directories.
func nothingShows(t *testing.T, dirs ...string) {
	t.Helper()
	files := 0
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(name)
			if files++; bytes.Contains(b, []byte(marker)) {
				t.Errorf("%s shows what is in it", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 4*len(dirs) {
		t.Errorf("%d files only", files)
	}
}

// TestKeysAtTheStart is a table of keys and what a start says to them.
func TestKeysAtTheStart(t *testing.T) {
	dir := t.TempDir()
	a := withNotes(newApp(t, Config{Dir: dir, EncryptionKeyFile: keyFile(t, keyA)}))
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.engine.Snapshot(t.Context()), stop(a)); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("1:hunter2-hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	callback := func(uint32) (uint32, [32]byte, error) { return 1, [32]byte{1, 2, 3}, nil }
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no key":         {Config{}, "it is encrypted, and no keys are configured"},
		"another key":    {Config{EncryptionKeyFile: keyFile(t, keyB)}, "not the one that this was sealed with"},
		"from a program": {Config{EncryptionKey: callback}, "not the one that this was sealed with"},
		"no such file":   {Config{EncryptionKeyFile: "/does/not/exist"}, "no such file"},
		"no key in it":   {Config{EncryptionKeyFile: bad}, "a key is 32 random bytes"},
		"two sources":    {Config{EncryptionKeyFile: bad, EncryptionKey: callback}, "not from several"},
	} {
		c.cfg.Dir = dir
		err := withNotes(newApp(t, c.cfg)).Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		if exitCode(err) != exitConfig {
			t.Errorf("%s: exit code %d", name, exitCode(err))
		}
	}
	var cfg Config
	cfg.defaults()
	if err := cfg.load(nil, []string{"LITHAIR_ENCRYPTION_KEY=" + keyA, "LITHAIR_DATA=" + dir}, nil); err != nil || cfg.keys() == nil {
		t.Errorf("from the environment: %v", err)
	}
	for _, shown := range cfg.origins() {
		if strings.Contains(shown, keyA[:8]) {
			t.Error("settings show a key")
		}
	}
	t.Setenv("LITHAIR_ENCRYPTION_KEY", keyA)
	b := withNotes(newApp(t, Config{Dir: dir}))
	b.cfg.envKeys = true
	start(t, b)
}

// TestACutOffRestoreIsFinishedAtTheStart leaves a restore where a crash would.
func TestACutOffRestoreIsFinishedAtTheStart(t *testing.T) {
	dir := t.TempDir()
	a := withNotes(newApp(t, Config{Dir: dir}))
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	call(t, a, "POST", "/api/notes", `{"text":"before"}`)
	want := a.engine.Root().Hash()
	if err := stop(a); err != nil {
		t.Fatal(err)
	}
	staging := filepath.Join(dir, "restoring")
	for _, sub := range []string{"log", "snapshots", "node.json", "reached"} {
		if err := os.MkdirAll(staging, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, sub), filepath.Join(staging, sub)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "replaced-x"), 0o700), os.WriteFile(filepath.Join(dir, "restore.state"), []byte("fill replaced-x\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	b := withNotes(newApp(t, Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&out, nil))}))
	start(t, b)
	if b.engine.Root().Hash() != want {
		t.Error("another state")
	}
	if !strings.Contains(out.String(), "replaced-x") {
		t.Error("the folder with what was replaced is not named at the start")
	}
	if _, err := os.Stat(staging); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staging folder is left: %v", err)
	}
}

// TestARestoredClusterHasAnotherName: what was restored from a backup of a cluster does not begin under its name, where old members would be taken
// for its own, and their word for newer than what it acknowledges; it does under another, and alone.
func TestARestoredClusterHasAnotherName(t *testing.T) {
	m := startCluster(t, 3, notes)
	m.insist(m.follower(), `{"text":"kept"}`, "kept")
	m.equal()
	var b bytes.Buffer
	if _, err := m.apps[m.leader()].Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := backup.Restore(&b, backup.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	begin := func(cfg Config) error {
		t.Helper()
		cfg.Dir = dir
		a := newApp(t, cfg)
		notes(a)
		if err := a.Start(bounded(t)); err != nil {
			return err
		}
		if got := call(t, a, "GET", "/api/notes", ""); !strings.Contains(got.body, "kept") {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
		return stop(a)
	}
	same := Config{Cluster: m.cfgs[0].Cluster, NodeID: 1, PeerAddr: freeAddr(t), ClusterSecretFile: m.cfgs[0].ClusterSecretFile, ElectionTimeout: 200 * time.Millisecond}
	if err := begin(same); err == nil || !strings.Contains(err.Error(), "under another -cluster name") {
		t.Fatalf("under the old name: %v", err)
	}
	if err := begin(Config{}); err != nil {
		t.Errorf("alone: %v", err)
	}
	same.Cluster = "other"
	for range 2 {
		if err := begin(same); err != nil {
			t.Errorf("under another name: %v", err)
		}
	}
}

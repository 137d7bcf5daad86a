package lithair

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/internal/disk"
)

func TestOperatorSocket(t *testing.T) {
	a := newApp(t, Config{})
	start(t, withNotes(a))
	path := filepath.Join(a.cfg.Dir, "operator.sock")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	for _, p := range []string{"/ready?verbose", "/info", "/observe/metrics"} {
		res, err := c.Get("http://operator" + p)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: %d", p, res.StatusCode)
		}
	}
	c.CloseIdleConnections()
}

func TestInfoAndNodeIdentity(t *testing.T) {
	dir := filled(t, 3)
	b, err := os.ReadFile(dir + "/node.json")
	if err != nil {
		t.Fatal(err)
	}
	var id struct {
		NodeID    string `json:"node_id"`
		ClusterID string `json:"cluster_id"`
		Format    int    `json:"format"`
	}
	if err := json.Unmarshal(b, &id); err != nil || id.NodeID == "" || id.ClusterID == "" || id.Format != 1 {
		t.Fatalf("node.json: %s (%v)", b, err)
	}
	a := newApp(t, Config{Dir: dir})
	start(t, withNotes(a))
	var info struct {
		NodeID  string         `json:"node_id"`
		Records map[string]int `json:"records"`
		Seq     int            `json:"seq"`
	}
	got := call(t, a, "GET", "/info", "")
	if err := json.Unmarshal([]byte(got.body), &info); err != nil || info.NodeID != id.NodeID || info.Records["note"] != 3 || info.Seq != 4 {
		t.Errorf("%s (%v)", got.body, err)
	}
}

// TestOperatorsDataStaysHere: what a proxy passes on may come from anywhere.
func TestOperatorsDataStaysHere(t *testing.T) {
	a := newApp(t, Config{})
	start(t, withNotes(a))
	for _, field := range []string{"X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "Via: 1.1 proxy", "X-Real-Ip: 203.0.113.7"} {
		if got := call(t, a, "GET", "/observe/metrics", "", field); got.StatusCode != 404 {
			t.Errorf("%s: /observe/metrics %d", field, got.StatusCode)
		}
		if got := call(t, a, "GET", "/info", "", field); got.StatusCode != 200 || strings.Contains(got.body, "node_id") {
			t.Errorf("%s: /info %d %s", field, got.StatusCode, got.body)
		}
	}
	public := newApp(t, Config{ObservePublic: true})
	start(t, withNotes(public))
	if got := call(t, public, "GET", "/observe/metrics", "", "X-Forwarded-For: 203.0.113.7"); got.StatusCode != 200 {
		t.Errorf("-observe-public: %d", got.StatusCode)
	}
}

func TestReadiness(t *testing.T) {
	sim := disk.NewSim(1)
	a := newApp(t, Config{Dir: "data", FS: sim})
	start(t, withNotes(a))
	got := call(t, a, "GET", "/ready?verbose", "")
	for _, check := range []string{"replayed", "leader", "disk", "lag", "draining"} {
		if !strings.Contains(got.body, "[+]"+check+" ok") {
			t.Errorf("%s is missing in %s", check, got.body)
		}
	}
	sim.Hook(func(op disk.Op, name string) error {
		if op == disk.OpOpen && strings.Contains(name, "probe") {
			return errors.New("read-only file system")
		}
		return nil
	})
	a.probe.last = a.probe.last.Add(-probeEvery)
	if got := call(t, a, "GET", "/readyz?verbose", ""); got.StatusCode != 503 || !strings.Contains(got.body, "[-]disk failed: ") {
		t.Errorf("on a disk that takes no files: %d %s", got.StatusCode, got.body)
	}
	sim.Hook(nil)
	a.draining.Store(true)
	if got := call(t, a, "GET", "/ready?verbose", ""); got.StatusCode != 503 || !strings.Contains(got.body, "[-]draining failed") {
		t.Errorf("while stopping: %d %s", got.StatusCode, got.body)
	}
	if got := call(t, a, "GET", "/health", ""); got.StatusCode != 200 {
		t.Errorf("/health while stopping: %d", got.StatusCode)
	}
}

// TestMetricsAtTheStart reads the text format 0.0.4 strictly: HELP and TYPE once per
// family and before its samples, families in one piece, samples that parse.
func TestMetricsAtTheStart(t *testing.T) {
	a := newApp(t, Config{})
	start(t, withNotes(a))
	got := call(t, a, "GET", "/observe/metrics", "")
	if ct := got.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type %q", ct)
	}
	sample := regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:\\[\\"n]|[^"\\\n])*",?)+\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)$`)
	kinds, helped, seen := map[string]string{}, map[string]bool{}, map[string]bool{}
	family := ""
	for line := range strings.Lines(got.body) {
		line = strings.TrimSuffix(line, "\n")
		if f := strings.SplitN(line, " ", 4); f[0] == "#" {
			switch {
			case f[1] == "HELP" && !helped[f[2]]:
				helped[f[2]] = true
			case f[1] == "TYPE" && kinds[f[2]] == "" && helped[f[2]]:
				kinds[f[2]], family = f[3], f[2]
			default:
				t.Errorf("out of place: %s", line)
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no sample: %q", line)
			continue
		}
		name := m[1]
		if kinds[family] == "histogram" {
			name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		}
		if name != family || seen[m[1]+m[2]] {
			t.Errorf("in the family %s, or twice: %s", family, line)
		}
		seen[m[1]+m[2]] = true
	}
	for _, want := range []string{
		`lithair_transactions_committed_total`, `lithair_transactions_refused_total`, `lithair_transactions_panics_total`, `lithair_queue_full_total`, `lithair_queue_length`,
		`lithair_entries_inflight`, `lithair_raft_has_leader`, `lithair_sequence`, `lithair_log_index`, `lithair_log_size_bytes`, `lithair_restored_records`, `lithair_restore_duration_seconds`,
		`lithair_disk_free_bytes`, `lithair_state_entries{model="note"}`, `lithair_state_bytes{model="note"}`, `go_goroutines`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_route="/api/notes",http_response_status_code="200"}`,
	} {
		if !seen[want] {
			t.Errorf("%s is missing at the start", want)
		}
	}
}

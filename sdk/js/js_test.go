package js_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/live"
)

// Note is what the client follows.
type Note struct {
	ID    string   `json:"id" lithair:"primary_key"`
	Title string   `json:"title"`
	Stars int64    `json:"stars" lithair:"indexed"`
	Score float64  `json:"score"`
	Tags  []string `json:"tags,omitempty"`
	Open  bool     `json:"open"`
}

// node runs a script with the client's folder as its own, and returns what it printed.
func node(t *testing.T, flags []string, script string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("SKIPPED: node is not installed, so the JavaScript client is not tested")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append(append(append([]string{"--no-warnings"}, flags...), "--input-type=module", "-e", script, "--"), args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v\n%s\n%s", err, said.String(), out.String())
	}
	return out.Bytes()
}

// TestHashes: both sides have the same hash of the same row.
func TestHashes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	type row struct {
		Key  string         `json:"key"`
		Row  map[string]any `json:"row"`
		Want string         `json:"want"`
	}
	texts := []string{"", "a", "Ünï \"quoted\" \\ back", "line\nbreak\u2028", "emoji 😀", "\u0000\u001f\u007f", "</script>"}
	var rows []row
	for range 500 {
		v := row{Key: texts[r.IntN(len(texts))], Row: map[string]any{}}
		for range r.IntN(6) {
			name := texts[r.IntN(len(texts))] + fmt.Sprint(r.IntN(9))
			switch r.IntN(5) {
			case 0:
				v.Row[name] = texts[r.IntN(len(texts))]
			case 1:
				v.Row[name] = (r.Float64() - .5) * float64(uint64(1)<<r.IntN(63))
			case 2:
				v.Row[name] = float64(r.IntN(1000))
			case 3:
				v.Row[name] = []any{r.IntN(2) == 0, nil, texts[r.IntN(len(texts))]}
			case 4:
				v.Row[name] = map[string]any{"z": 1e21, "é": 1e-7, "a": -0.5}
			}
		}
		text, err := jsonx.Marshal(v.Row)
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := jsonx.Canonicalize(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		v.Want = live.HashRow(v.Key, canonical).String()
		rows = append(rows, v)
	}
	doc, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/rows.json"
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	got := node(t, nil, `
import { readFileSync } from 'node:fs';
import { hashRow } from './lithair.js';
let bad = 0, n = 0;
for (const { key, row, want } of JSON.parse(readFileSync(process.argv[1]))) {
	n++;
	const got = hashRow(key, row).map(x => x.toString(16).padStart(8, '0')).join('');
	if (got !== want && bad++ < 5) console.log(JSON.stringify(key), JSON.stringify(row), got, want);
}
console.log(n, 'rows', bad, 'differ');
`, file)
	if s := string(got); s != "500 rows 0 differ\n" {
		t.Error(s)
	}
}

// following follows three queries until each has seen the last record, and prints what it has.
const following = `
import { connect } from './lithair.js';
const [url, transport] = process.argv.slice(1);
const client = connect(url, { transport, paths: { Note: '/api/notes' }, minDelayMs: 20, maxDelayMs: 200 });
let diverged = 0, lost = 0, went = 0;
client.addEventListener('diverged', () => diverged++);
client.addEventListener('lost', () => lost++);
const queries = [
	client.live('Note', ''),
	client.live('Note', 'open=true&sort=-stars,title&take=10'),
	client.live('Note', { 'stars': '>3' }, { fields: ['id', 'stars'], everyMs: transport === 'events' ? undefined : 30 }),
	client.live('Note', 'sort=score&skip=2&take=5'),
];
// Each answer that is shown must be the newest of those that were: sequences never go back.
for (const q of queries) {
	let seq = 0;
	q.subscribe(() => { if (q.seq < seq) went++; seq = q.seq; });
}
const first = await queries[0].ready;
const timer = setTimeout(() => { console.error('not there in time', queries.map(q => [q.status, q.seq, q.rows.length, String(q.error)])); process.exit(1); }, 40000);
for await (const rows of queries[0]) if (rows.some(r => r.title === 'the last one')) break;
const seq = queries[0].seq;
while (queries.some(q => q.rows.length === 0 || q.status !== 'live')) await new Promise(ok => setTimeout(ok, 20));
await new Promise(ok => setTimeout(ok, 300));
clearTimeout(timer);
console.log(JSON.stringify({ rows: queries.map(q => q.rows), totals: queries.map(q => q.total), diverged, lost, went, resyncs: queries.map(q => q.resyncs), transport: client.transport, first: first.length }));
client.close();
`

// TestFollowing: queries that are followed through connections that break hold what the server has.
func TestFollowing(t *testing.T) {
	for _, c := range []struct {
		name, transport string
		flags           []string
	}{
		{"WebSocket", "websocket", []string{"--experimental-websocket"}},
		{"events", "events", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := lithair.New(lithair.Config{Name: "notes", Addr: "127.0.0.1:0", Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
			notes := lithair.Model[Note](app, "/api/notes")
			if err := app.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer app.Shutdown(context.Background())
			proxy := newCutter(t, app.Addr())
			var writing sync.WaitGroup
			writing.Go(func() { write(t, app, notes, proxy) })
			printed := node(t, c.flags, following, "http://"+proxy.addr, c.transport)
			writing.Wait()
			judge(t, "http://"+app.Addr(), printed, c.transport)
			t.Logf("%d connections were cut", proxy.cuts)
		})
	}
}

// write changes notes at random for a while, cuts connections meanwhile, and ends with a last one.
func write(t *testing.T, app *lithair.App, notes *lithair.Collection[Note], proxy *cutter) {
	r := rand.New(rand.NewPCG(7, 8))
	update := func(fn func(tx *lithair.Tx) error) {
		if err := app.Update(context.Background(), fn); err != nil {
			t.Error(err)
		}
	}
	for i := range 600 {
		update(func(tx *lithair.Tx) error {
			for range 1 + r.IntN(3) {
				id := fmt.Sprintf("n%02d", r.IntN(60))
				if r.IntN(5) == 0 {
					if err := notes.Delete(tx, id); err != nil && !errors.Is(err, lithair.ErrNotFound) {
						return err
					}
					continue
				}
				v := Note{ID: id, Title: fmt.Sprintf("title %d", r.IntN(20)), Stars: int64(r.IntN(8)), Score: r.Float64(), Open: r.IntN(2) == 0}
				if r.IntN(2) == 0 {
					v.Tags = []string{"a", "b"}
				}
				if err := notes.Upsert(tx, &v); err != nil {
					return err
				}
			}
			return nil
		})
		if i%60 == 59 {
			proxy.cut()
		}
		time.Sleep(5 * time.Millisecond) // a pace, so that frames and cuts fall between each other
	}
	update(func(tx *lithair.Tx) error {
		return notes.Insert(tx, &Note{ID: "last", Title: "the last one", Stars: 7, Open: true})
	})
}

// judge holds what a client has against the server's lists.
func judge(t *testing.T, url string, printed []byte, transport string) {
	t.Helper()
	var got struct {
		Rows      []json.RawMessage
		Totals    []int
		Diverged  int
		Lost      int
		Went      int
		Resyncs   []int
		Transport string
	}
	if err := json.Unmarshal(printed, &got); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	if got.Diverged != 0 || got.Went != 0 || got.Lost == 0 || got.Transport != transport {
		t.Errorf("%d answers diverged, %d went back, %d connections were lost, by %s", got.Diverged, got.Went, got.Lost, got.Transport)
	}
	for i, list := range []string{"?take=100", "?open=true&sort=-stars,title&take=10", "?stars=>3&fields=id,stars&take=100", "?sort=score&skip=2&take=5"} {
		answer, err := http.Get(url + "/api/notes" + list)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%s: %v, %s", list, err, body)
		}
		answer.Body.Close()
		var want struct{ Data any }
		var have any
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got.Rows[i], &have); err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(want.Data)
		if b, _ := json.Marshal(have); !bytes.Equal(a, b) {
			t.Errorf("%s:\nthe server has %s\nthe client     %s", list, a, b)
		}
	}
	t.Logf("%d connections lost, resyncs %v", got.Lost, got.Resyncs)
}

// cutter passes connections on, and cuts all of them when it is told.
type cutter struct {
	addr string

	mu    sync.Mutex
	conns map[net.Conn]bool
	cuts  int
}

func newCutter(t *testing.T, to string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: l.Addr().String(), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); c.cut() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			c.mu.Lock()
			c.conns[near], c.conns[far] = true, true
			c.mu.Unlock()
			pipe := func(dst, src net.Conn) {
				io.Copy(dst, src) // it ends when it is cut
				dst.Close()
				src.Close()
			}
			go pipe(near, far)
			go pipe(far, near)
		}
	}()
	return c
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
	c.cuts += len(c.conns) / 2
	clear(c.conns)
}

// outage has a WebSocket that is refused at each try, or at some behind the first.
const outage = `
import { connect } from './lithair.js';
const away = process.argv[1] === 'later' ? new Set([2, 3, 4]) : { has: () => true };
let tries = 0, socket;
class Fake {
	constructor() {
		socket = this;
		const refused = away.has(++tries);
		setTimeout(() => refused ? this.onclose({ code: 1006 }) : this.onmessage({ data: '{"op":"ready","epoch":"e","seq":1}' }));
	}
	readyState = 1;
	send() {}
	close() {}
}
const fetch = () => new Promise(() => {}); // an answer that does not come
const client = connect('http://127.0.0.1:1', { WebSocket: Fake, fetch, paths: { Note: '/api/notes' }, minDelayMs: 2, maxDelayMs: 4 });
client.live('Note');
const connected = () => new Promise(ok => client.addEventListener('status', () => client.status === 'connected' && ok()));
await connected();
if (process.argv[1] === 'later') {
	const again = connected();
	socket.onclose({ code: 1006 });
	await again;
}
console.log(client.transport, tries);
process.exit();
`

// TestOutage: a client that had a WebSocket waits for another, however often the server refuses; one that never had goes on with events.
func TestOutage(t *testing.T) {
	for when, want := range map[string]string{"later": "websocket 5\n", "ever": "events 2\n"} {
		if got := node(t, nil, outage, when); string(got) != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}

// TestTypes: what is exported is declared, and the other way round.
func TestTypes(t *testing.T) {
	module, err := os.ReadFile("lithair.js")
	if err != nil {
		t.Fatal(err)
	}
	types, err := os.ReadFile("lithair.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	names := func(text []byte) map[string]bool {
		list := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			f := strings.FieldsFunc(strings.TrimPrefix(strings.TrimSpace(line), "export async "), func(r rune) bool { return strings.ContainsRune(" (<*{", r) })
			if !strings.HasPrefix(line, "export ") {
				continue
			}
			for i, w := range f {
				if (w == "class" || w == "function") && i+1 < len(f) {
					list[f[i+1]] = true
				}
			}
		}
		return list
	}
	have, declared := names(module), names(types)
	for n := range have {
		if !declared[n] {
			t.Errorf("%s is exported and not declared", n)
		}
	}
	for n := range declared {
		if !have[n] {
			t.Errorf("%s is declared and not exported", n)
		}
	}
	if len(have) < 6 {
		t.Errorf("only %v are found", have)
	}
}

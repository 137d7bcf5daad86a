package js_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/wire"
)

// talking has two clients talk in a room while their connections are cut, and prints what each has heard.
const talking = `
import { connect } from './lithair.js';
const [url, count] = process.argv.slice(1);
const heard = [[], []], gaps = [0, 0], seen = [[], []];
let failed = 0, unknown = 0;
const clients = ['ada', 'bob'].map((token, i) => {
	const client = connect(url, { token, minDelayMs: 20, maxDelayMs: 100 });
	const room = client.room('chat/1', { meta: { name: token } });
	room.listen(e => {
		if (e.type === 'message') heard[i].push({ ...e, at: 0, history: undefined });
		if (e.type === 'gap') gaps[i]++;
		if (e.type === 'presence') seen[i] = [...room.users.keys()];
	});
	return { client, room };
});
await Promise.all(clients.map(c => c.room.ready));
const pause = ms => new Promise(ok => setTimeout(ok, ms));
await Promise.all(clients.map(async ({ room }, i) => {
	for (let k = 0; k < Number(count); k++) {
		while (room.status !== 'joined') await pause(5);
		try {
			await room.send({ by: i, k });
		} catch (e) {
			// Without an answer it may have been said or not: it is not said again, so that nothing comes twice.
			if (e.code === 'offline' || e.code === 'timeout') unknown++;
			else { failed++; console.error(e); }
		}
		await pause(4);
	}
}));
while (clients.some(c => c.room.status !== 'joined') || seen.some(s => s.length !== 2)) await pause(10);
await pause(300);
const both = seen.map(s => s.toSorted());
clients[1].client.close();
for (let i = 0; i < 300 && seen[0].length !== 1; i++) await pause(10);
let refused = '';
try { await clients[0].client.room('secret/1').ready; } catch (e) { refused = e.code; }
console.log(JSON.stringify({ heard, gaps, seen: both, left: seen[0], failed, unknown, refused }));
clients[0].client.close();
`

// TestTalking: what two clients hear of each other is in one order, each thing once, whatever becomes of their
// connections; and they see who is there.
func TestTalking(t *testing.T) {
	app := lithair.New(lithair.Config{Name: "talk", Addr: "127.0.0.1:0", Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	lithair.Room(app, "chat/{id}", lithair.RoomOptions{History: 1000, Presence: true})
	app.Authenticate(func(*wire.Request) (lithair.Principal, error) { return lithair.Principal{}, fmt.Errorf("nobody") })
	app.AuthenticateToken(func(token string) (lithair.Principal, error) { return lithair.Principal{ID: token}, nil })
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer app.Shutdown(context.Background())
	proxy := newCutter(t, app.Addr())
	stop := make(chan struct{})
	var cutting sync.WaitGroup
	cutting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond): // a pace: connections are cut in the middle of talking
				proxy.cut()
			}
		}
	})
	const count = 200
	var out []byte
	func() {
		defer cutting.Wait()
		defer close(stop)
		out = node(t, []string{"--experimental-websocket"}, talking, "http://"+proxy.addr, fmt.Sprint(count))
	}()
	var got struct {
		Heard   [2][]said
		Gaps    [2]int
		Seen    [2][]string
		Left    []string
		Failed  int
		Unknown int
		Refused string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Failed > 0 || got.Gaps != [2]int{} || got.Refused != "unknown_room" {
		t.Errorf("%d failed, gaps %v, a room that is none is refused with %q", got.Failed, got.Gaps, got.Refused)
	}
	for _, s := range got.Seen {
		if fmt.Sprint(s) != "[ada bob]" {
			t.Errorf("present are %v", s)
		}
	}
	if fmt.Sprint(got.Left) != "[ada]" {
		t.Errorf("when bob has left, present are %v", got.Left)
	}
	judgeTalk(t, got.Heard, 2*count-got.Unknown)
	t.Logf("%d and %d heard, %d without an answer, %d connections cut", len(got.Heard[0]), len(got.Heard[1]), got.Unknown, proxy.cuts)
}

// TestNoRoomWithoutWebSocket: where there are events alone, a room says that it cannot be joined.
func TestNoRoomWithoutWebSocket(t *testing.T) {
	got := node(t, nil, `
import { connect } from './lithair.js';
const client = connect('http://127.0.0.1:9', { transport: 'events' });
try { await client.room('chat/1').ready; } catch (e) { console.log(e.code); }
client.close();
`)
	if string(got) != "unsupported\n" {
		t.Errorf("%q", got)
	}
}

// said is a message as a client heard it.
type said struct {
	N    int
	From string
	Data struct{ By, K int }
}

// judgeTalk: both have heard the same, in the order of each speaker, nothing twice and nothing missing that was answered.
func judgeTalk(t *testing.T, heard [2][]said, least int) {
	t.Helper()
	a, b := heard[0], heard[1]
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("they have heard different things: %d and %d", len(a), len(b))
	}
	last, names := map[int]int{0: -1, 1: -1}, []string{"ada", "bob"}
	for i, m := range a {
		if m.Data.K <= last[m.Data.By] || m.From != names[m.Data.By] || i > 0 && m.N != a[i-1].N+1 {
			t.Errorf("message %d is %+v, behind number %d of the same speaker", i, m, last[m.Data.By])
		}
		last[m.Data.By] = m.Data.K
	}
	if len(a) < least {
		t.Errorf("%d heard, %d were answered", len(a), least)
	}
}

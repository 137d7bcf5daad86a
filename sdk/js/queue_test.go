package js_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// TestWorking: two programs share the jobs of a queue; one that is given back comes again, and what is
// done is done once.
func TestWorking(t *testing.T) {
	app := lithair.New(lithair.Config{Name: "work", Addr: "127.0.0.1:0", Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	q := lithair.RemoteQueue[map[string]int](app, "mail", lithair.QueueOptions{Backoff: time.Millisecond})
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer app.Shutdown(context.Background())
	const count = 30
	if err := app.Update(t.Context(), func(tx *lithair.Tx) error {
		for i := range count {
			if _, err := q.Push(tx, map[string]int{"n": i}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	out := node(t, []string{"--experimental-websocket"}, `
import { connect } from './lithair.js';
const [url, count] = process.argv.slice(1);
const clients = [0, 1].map(() => connect(url, { minDelayMs: 20 }));
await Promise.all(clients.map(c => new Promise(ok => c.addEventListener('status', e => e.detail === 'connected' && ok()))));
const done = [], tries = [], codes = [];
await Promise.all(clients.map(async (client, i) => {
	const queue = client.queue('mail');
	while (done.length < Number(count)) {
		const jobs = await queue.take({ max: 3, leaseMs: 20000 });
		for (const job of jobs) {
			if (job.value.n % 5 === 0 && job.attempts === 0) {
				await queue.nack(job, new Error('not yet'));
				await queue.ack(job).catch(e => codes.push(e.code));
				continue;
			}
			await queue.ack(job);
			done.push(job.value.n);
			tries.push(job.attempts);
		}
		if (jobs.length === 0) await new Promise(ok => setTimeout(ok, 5));
	}
}));
await clients[0].queue('no').take().catch(e => codes.push(e.code));
console.log(JSON.stringify({ done: done.sort((a, b) => a - b), again: tries.filter(n => n === 1).length, codes }));
for (const c of clients) c.close();
`, "http://"+app.Addr(), fmt.Sprint(count))
	var got struct {
		Done  []int
		Again int
		Codes []string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(got.Done) != count || got.Again != 6 || len(got.Codes) != 7 || got.Codes[6] != "unknown_queue" || got.Codes[0] != "not_leased" {
		t.Errorf("%+v", got)
	}
	for i, n := range got.Done {
		if i != n {
			t.Errorf("job %d is done in place of %d", n, i)
		}
	}
	left := 0
	if err := app.View(func(s *lithair.Snapshot) error { left = q.Waiting(s); return nil }); err != nil || left != 0 {
		t.Errorf("%d are left, %v", left, err)
	}
}

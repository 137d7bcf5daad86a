package ws_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/devtools"
	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// Other people's implementations as the other side. Each test is skipped, and says so, where
// the peer is not installed.

func echoServer(t *testing.T, comp ws.Compression) (url string) {
	t.Helper()
	s, err := ws.NewServer(ws.Config{Compression: comp, Limits: ws.Limits{MaxMessageBytes: 4 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	page := []byte("<!doctype html><title>page</title>")
	echo := s.Handler(&ws.Handler{Message: func(c *ws.Conn, op ws.Opcode, data []byte) error {
		return c.Write(context.Background(), op, data)
	}})
	url, shut := serve(func(w *wire.Response, r *wire.Request) error {
		if r.Header("Upgrade") == "" {
			return w.Send(200, "text/html; charset=utf-8", page)
		}
		return echo(w, r)
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		shut()
	})
	return url
}

const pythonClient = `
import asyncio, os, random, sys, websockets
async def main(url):
    random.seed(4)
    async with websockets.connect(url, max_size=None) as ws:
        names = [e.name for e in ws.extensions]
        for i in range(300):
            n = random.choice([0, 1, 125, 126, 127, 1000, 4096, 65535, 65536, 200000, 1000000] if i % 10 == 0 else [0, 1, 125, 126, 500, 3000])
            if i % 2:
                m = ''.join(random.choice('aé漢🙂 ') for _ in range(n // 4))
            else:
                m = os.urandom(n // 2) + bytes(n - n // 2)
            if i % 3 == 0 and len(m) > 3:
                k = sorted(random.sample(range(1, len(m)), 3))
                await ws.send([m[:k[0]], m[k[0]:k[1]], m[k[1]:k[2]], m[k[2]:]])
            else:
                await ws.send(m)
            got = await ws.recv()
            assert got == m, (i, n, len(got))
        await asyncio.wait_for(await ws.ping(b'here'), 10)
    print('done', names, ws.close_code)
asyncio.run(main(sys.argv[1]))
`

const pythonServer = `
import asyncio, websockets
async def echo(ws):
    async for m in ws:
        await ws.send(m)
async def main():
    async with websockets.serve(echo, '127.0.0.1', 0, max_size=None) as s:
        print(s.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
`

// python finds an interpreter that has the package.
func python(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), program, "-c", "import websockets").Run() == nil {
			return program
		}
	}
	t.Skip("SKIPPED, python-websockets is not tested: it is not installed")
	return ""
}

// TestPythonClient: python-websockets sends texts and bytes of all sizes, whole and in
// fragments, compressed, to our server.
func TestPythonClient(t *testing.T) {
	program := python(t)
	for name, comp := range map[string]ws.Compression{"deflate": {}, "takeover": {Takeover: true}, "plain": {Off: true}} {
		out, err := exec.CommandContext(t.Context(), program, "-c", pythonClient, echoServer(t, comp)).CombinedOutput()
		want := "done ['permessage-deflate'] 1000"
		if comp.Off {
			want = "done [] 1000"
		}
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestPythonServer: our client speaks with a server of python-websockets.
func TestPythonServer(t *testing.T) {
	speakWith(t, exec.CommandContext(t.Context(), python(t), "-c", pythonServer))
}

// speakWith has our client speak with an echo server that says its port.
func speakWith(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://127.0.0.1:" + strings.TrimSpace(port) + "/"
	for name, comp := range map[string]ws.Compression{"deflate": {MinBytes: 1}, "takeover": {Takeover: true, MinBytes: 1}, "plain": {Off: true}} {
		c, err := ws.Dial(t.Context(), url, ws.DialConfig{Compression: comp, Limits: ws.Limits{MaxMessageBytes: 4 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		if c.Compressed() == comp.Off {
			t.Errorf("%s: compressed: %v", name, c.Compressed())
		}
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 200 {
			msg := strings.Repeat(fmt.Sprintf("%d é漢🙂 ", r.IntN(1000)), r.IntN(1+i*i))
			if i%2 == 0 {
				err = c.Write(t.Context(), ws.Text, []byte(msg))
			} else {
				w, werr := c.Writer(t.Context(), ws.Text)
				if werr != nil {
					t.Fatal(werr)
				}
				_, err = w.Write([]byte(msg))
				if cerr := w.Close(); err == nil {
					err = cerr
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if op, got, err := c.Read(t.Context()); err != nil || op != ws.Text || string(got) != msg {
				t.Fatalf("%s, message %d: %d bytes, want %d: %v", name, i, len(got), len(msg), err)
			}
		}
		if err := c.Close(ws.CloseNormal, "done"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const nodeClient = `
const { WebSocket } = require('ws');
const { randomBytes } = require('crypto');
const [url, deflate] = process.argv.slice(1);
const s = new WebSocket(url, { perMessageDeflate: deflate === 'true' && { threshold: 0 } });
s.on('error', e => { throw e; });
const back = send => new Promise(ok => { s.once('message', (data, binary) => ok({ data, binary })); send(); });
s.on('open', async () => {
	for (let i = 0; i < 300; i++) {
		const n = i % 10 === 0 ? [0, 1, 125, 126, 127, 65535, 65536, 1000000][(i / 10) % 8] : (i * 37) % 3000;
		const binary = i % 2 === 0;
		const m = binary ? Buffer.concat([randomBytes(n >> 1), Buffer.alloc(n - (n >> 1))]) : Buffer.from('aé漢🙂 '.repeat(n >> 2));
		const got = await back(() => {
			if (i % 3 > 0) return s.send(m, { binary });
			const k = m.length >> 1; // bytes may part within a character: the message is what is text
			s.send(m.subarray(0, k), { binary, fin: false });
			s.ping('within');
			s.send(m.subarray(k), { fin: true });
		});
		if (got.binary !== binary || !got.data.equals(m)) throw new Error('message ' + i + ': ' + got.data.length + ' bytes of ' + m.length);
	}
	s.ping('here');
	await new Promise(ok => s.once('pong', ok));
	s.once('close', code => console.log('done', s.extensions.split(';')[0], code));
	s.close(4001, 'bye');
});
`

const nodeServer = `
const { WebSocketServer } = require('ws');
const s = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 0, perMessageDeflate: { threshold: 0 } });
s.on('connection', c => c.on('message', (data, binary) => c.send(data, { binary })));
s.on('listening', () => console.log(s.address().port));
`

// node returns a command that runs a script for node, which has the package ws in NODE_PATH.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	if exec.CommandContext(t.Context(), "node", "-e", "require('ws')").Run() != nil {
		t.Skip("SKIPPED, the package ws of node is not tested: it is not in NODE_PATH")
	}
	return exec.CommandContext(t.Context(), "node", append([]string{"-e", script, "--"}, args...)...)
}

// TestNodeClient: the package ws of node sends texts and bytes of all sizes, whole and in fragments
// with pings between them, compressed, to our server.
func TestNodeClient(t *testing.T) {
	for name, comp := range map[string]ws.Compression{"deflate": {}, "takeover": {Takeover: true}, "plain": {Off: true}} {
		out, err := node(t, nodeClient, echoServer(t, comp), fmt.Sprint(!comp.Off)).CombinedOutput()
		want := "done permessage-deflate 4001"
		if comp.Off {
			want = "done  4001"
		}
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestNodeServer: our client speaks with a server of the package ws of node.
func TestNodeServer(t *testing.T) { speakWith(t, node(t, nodeServer)) }

const pageEcho = `(async url => {
	const s = new WebSocket(url); s.binaryType = 'arraybuffer';
	await new Promise((ok, no) => { s.onopen = ok; s.onerror = () => no(new Error('no connection')); });
	const back = m => new Promise((ok, no) => { s.onmessage = e => ok(e.data); s.onclose = e => no(new Error('closed ' + e.code)); s.send(m); });
	let count = 0;
	for (const n of [0, 1, 125, 126, 127, 1000, 65535, 65536, 1000000]) {
		const text = 'aé漢🙂'.repeat(n / 4);
		if (await back(text) !== text) throw new Error('text ' + n);
		const bytes = new Uint8Array(n); for (let i = 0; i < n; i++) bytes[i] = (i * i) >> 3;
		const got = new Uint8Array(await back(bytes));
		if (got.length !== n || got.some((b, i) => b !== bytes[i])) throw new Error('bytes ' + n);
		count += 2;
	}
	const closed = new Promise(ok => s.onclose = e => ok([e.code, e.reason, e.wasClean]));
	s.close(4001, 'done');
	return JSON.stringify([count, s.extensions.split(';')[0], ...await closed]);
})`

// TestBrowser: a page in Chromium opens a WebSocket to our server and gets back what it
// sends; and a page of another origin does not.
func TestBrowser(t *testing.T) {
	b := devtools.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for name, comp := range map[string]ws.Compression{"permessage-deflate": {}, "permessage-deflate ": {Takeover: true, MinBytes: 1}, "": {Off: true}} {
		url := echoServer(t, comp)
		p, err := b.Open(ctx, "http"+strings.TrimPrefix(url, "ws"))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := p.Evaluate(ctx, fmt.Sprintf("%s(%q)", pageEcho, url), &got); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`[18,%q,4001,"",true]`, strings.TrimSpace(name)); got != want {
			t.Errorf("%+v: %s, want %s", comp, got, want)
		}
		other := echoServer(t, comp)
		if err := p.Evaluate(ctx, fmt.Sprintf("%s(%q)", pageEcho, other), &got); err == nil || !strings.Contains(err.Error(), "no connection") {
			t.Errorf("a page of another origin: %v", err)
		}
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

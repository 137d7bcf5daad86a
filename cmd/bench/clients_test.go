package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveProcess starts "bench serve -profile cases" and ends it cleanly with the test.
func serveProcess(t *testing.T) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "serve", "-profile", "cases", "-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		defer time.AfterFunc(time.Minute, func() { cmd.Process.Kill() }).Stop()
		if err := cmd.Wait(); err != nil || said.Len() > 0 {
			t.Errorf("the server ended with %v and said %q", err, said.String())
		}
	})
	mute := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	mute.Stop()
	_, url, ok := strings.Cut(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the server says %q, %v", line, err)
	}
	return url
}

// client runs a program and returns what it printed; anything on standard error fails
// the test, unless loud.
func client(t *testing.T, loud bool, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.WaitDelay = time.Second
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil || !loud && said.Len() > 0 {
		t.Fatalf("%s %q: %v\n%s\n%s", program, args, err, out.String(), said.String())
	}
	return out.String()
}

func want(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if no, ok := strings.CutPrefix(s, "!"); ok && strings.Contains(out, no) || !ok && !strings.Contains(out, s) {
			t.Errorf("want %q in\n%s", s, out)
		}
	}
}

const nodeScript = `
const http = require('http'), url = process.argv[1];
process.on('warning', w => { console.error(w); process.exit(2); });
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (method, path, body, headers = {}) => new Promise((ok, no) => {
	const req = http.request(url + path, { method, agent, headers }, res => {
		let b = ''; res.setEncoding('latin1');
		res.on('data', d => b += d); res.on('end', () => ok({ status: res.statusCode, body: b, reused: req.reusedSocket, trailers: res.trailers })); res.on('error', no);
	});
	req.on('error', no);
	if (headers.Expect) req.on('continue', () => req.end(body)); else req.end(body);
});
(async () => {
	const same = (a, b) => { if (a !== b) throw new Error(JSON.stringify(a).slice(0, 200) + ' is not ' + JSON.stringify(b).slice(0, 200)); };
	const big = 'x'.repeat(1 << 20);
	same((await ask('GET', '/a?b')).body.includes('target=/a?b\n'), true);
	const second = await ask('POST', '/echo', 'hello');
	same(second.body, 'hello'); same(second.reused, true);
	same((await ask('POST', '/echo', big, { 'Transfer-Encoding': 'chunked' })).body, big);
	same((await ask('POST', '/echo', 'waited', { Expect: '100-continue', 'Content-Length': 6 })).body, 'waited');
	same((await ask('HEAD', '/a')).body, '');
	same((await ask('GET', '/stream')).body, 'onetwothree');
	same((await ask('GET', '/empty')).status, 204);
	same((await ask('GET', '/notmod')).status, 304);
	agent.destroy();
	for (let i = 0; i < 50; i++) {
		const r = await fetch(url + '/echo', { method: 'POST', body: 'n' + i });
		same(await r.text(), 'n' + i);
	}
	same((await Promise.all([...Array(20).keys()].map(i => fetch(url + '/p' + i).then(r => r.text())))).every((b, i) => b.includes('target=/p' + i + '\n')), true);
	same((await fetch(url + '/empty')).status, 204);
	same(await (await fetch(url + '/stream')).text(), 'onetwothree');
	console.log('fine');
})().catch(e => { console.error(e); process.exit(1); });
`

const pythonScript = `
import http.client, sys, warnings
warnings.simplefilter("error")
c = http.client.HTTPConnection(sys.argv[1].removeprefix("http://"), timeout=20)
def ask(method, path, body=None, **kw):
    c.request(method, path, body=body, **kw)
    r = c.getresponse()
    return r.status, r.read()
big = b"x" * (1 << 20)
for i in range(50):
    assert ask("POST", "/echo", b"n%d" % i) == (200, b"n%d" % i)
sock = c.sock
assert ask("POST", "/echo", iter([b"one", b"two"]), encode_chunked=True) == (200, b"onetwo")
assert ask("PUT", "/echo", big) == (200, big)
assert ask("HEAD", "/a") == (200, b"")
assert ask("GET", "/stream") == (200, b"onetwothree")
assert ask("GET", "/empty") == (204, b"")
assert ask("GET", "/notmod") == (304, b"")
assert b"target=/a?b\n" in ask("GET", "/a?b")[1]
assert c.sock is sock, "the connection was not kept"
c.close()
print("fine")
`

// TestClients: programs that people use complete everything against the server, on kept
// connections where they keep them, without an error or a warning.
func TestClients(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("runs curl, wrk, ab, h2load, node, python and chromium: set LITHAIR_LONG=1")
	}
	url := serveProcess(t)
	t.Run("curl", func(t *testing.T) {
		big := filepath.Join(t.TempDir(), "big")
		if err := os.WriteFile(big, bytes.Repeat([]byte("0123456789abcdef"), 1<<17), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, client(t, false, "curl", "-sSf", url+"/a?b=c", url+"/b", "-w", "connects=%{num_connects}\n"), "target=/a?b=c\n", "target=/b\n", "connects=1\n", "connects=0\n")
		want(t, client(t, false, "curl", "-sSf", "--data-binary", "@"+big, "-H", "Expect: 100-continue", url+"/echo", "-o", os.DevNull, "-w", "%{http_code} %{size_download} %{size_upload}"), "200 2097152 2097152")
		want(t, client(t, false, "curl", "-sSf", "-T", big, "-H", "Transfer-Encoding: chunked", url+"/echo", "-o", os.DevNull, "-w", "%{http_code} %{size_download}"), "200 2097152")
		want(t, client(t, false, "curl", "-sSf", "-I", url+"/a"), "HTTP/1.1 200 OK", "Content-Length: ")
		want(t, client(t, false, "curl", "-sSf", "-0", url+"/a"), "target=/a\n")
		want(t, client(t, false, "curl", "-sSf", "-X", "OPTIONS", "--request-target", "*", url), "target=*\n")
		want(t, client(t, false, "curl", "-sSfN", url+"/stream", url+"/empty", url+"/notmod", "-w", " %{http_code}\n"), "onetwothree 200\n 204\n 304\n")
		want(t, client(t, false, "curl", "-sSf", "-x", url, "http://other.example/p"), "target=http://other.example/p\n", "host=other.example\n")
	})
	t.Run("wrk", func(t *testing.T) {
		want(t, client(t, false, "wrk", "-t2", "-c16", "-d1s", url+"/plaintext"), "Requests/sec:", "!Socket errors", "!Non-2xx")
	})
	t.Run("ab", func(t *testing.T) {
		body := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(body, bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, client(t, false, "ab", "-q", "-S", "-k", "-n", "2000", "-c", "8", url+"/plaintext"), "Complete requests:      2000\n", "Failed requests:        0\n", "Keep-Alive requests:    2000\n", "!Non-2xx")
		want(t, client(t, false, "ab", "-q", "-S", "-n", "500", "-c", "8", "-p", body, "-T", "text/plain", url+"/echo"), "Complete requests:      500\n", "Failed requests:        0\n", "!Non-2xx")
	})
	t.Run("h2load", func(t *testing.T) {
		want(t, client(t, false, "h2load", "--h1", "-n", "2000", "-c", "8", "-m", "8", url+"/plaintext"), "2000 succeeded, 0 failed, 0 errored, 0 timeout", "2000 2xx")
	})
	t.Run("node", func(t *testing.T) { want(t, client(t, false, "node", "-e", nodeScript, url), "fine\n") })
	t.Run("python", func(t *testing.T) { want(t, client(t, false, "python3", "-c", pythonScript, url), "fine\n") })
	t.Run("chromium", func(t *testing.T) {
		program := "chromium"
		if _, err := exec.LookPath(program); err != nil {
			program = "chromium-headless-shell"
		}
		dom := client(t, true, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(), "--dump-dom", url+"/page?x=1")
		want(t, dom, "method=GET\n", "target=/page?x=1\n", "h:sec-fetch-site=none\n")
	})
}

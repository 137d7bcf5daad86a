package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// nodeServer is node's HTTP server on a Unix socket. It prints each request that it has
// seen whole, and a line when a connection has ended.
const nodeServer = `
const http = require('http');
const text = s => Buffer.from(s, 'latin1').toString('base64');
const tell = o => process.stdout.write(JSON.stringify(o) + '\n');
const server = http.createServer({ maxHeaderSize: 65536, requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60000 }, (req, res) => {
	const parts = [];
	req.on('data', d => parts.push(d));
	req.on('end', () => {
		tell({ Method: text(req.method), Target: text(req.url), Fields: req.rawHeaders.map(text), Body: Buffer.concat(parts).toString('base64') });
		res.end('ok');
	});
});
server.httpAllowHalfOpen = true;
server.maxRequestsPerSocket = 0;
server.on('connection', s => s.on('close', () => tell({ Ended: true })));
server.setTimeout(1000, s => s.destroy()); // it forgets some that end within a request to upgrade
process.stdin.on('end', () => process.exit(0)).resume();
server.listen(process.argv[1], () => tell({ Methods: http.METHODS }));
`

// nodeLine is a line of what nodeServer prints.
type nodeLine struct {
	Method, Target, Body []byte
	Fields               [][]byte // names and values in turn
	Methods              []string
	Ended                bool
}

// nodePlayer plays bytes to node.
type nodePlayer struct {
	path    string
	lines   *json.Decoder
	methods []string // that node knows
}

func newNodePlayer(t *testing.T) *nodePlayer {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	p := &nodePlayer{path: t.TempDir() + "/s"}
	cmd := exec.Command("node", "-e", nodeServer, p.path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	p.lines = json.NewDecoder(bufio.NewReader(out))
	p.methods = p.next(t).Methods
	return p
}

func (p *nodePlayer) next(t *testing.T) (l nodeLine) {
	t.Helper()
	if err := p.lines.Decode(&l); err != nil {
		t.Fatalf("node: %v", err)
	}
	return l
}

func (p *nodePlayer) play(t *testing.T, raw []byte) (list []seen, said []byte) {
	t.Helper()
	nc, err := net.Dial("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := nc.Write(raw); err == nil { // it may have been refused and closed already
		nc.(*net.UnixConn).CloseWrite()
	}
	said, err = io.ReadAll(nc) // a refusal may end in a reset
	if isTimeout(err) {
		t.Fatalf("node does not end: %q", raw)
	}
	nc.Close()
	for l := p.next(t); !l.Ended; l = p.next(t) {
		s := seen{method: string(l.Method), target: string(l.Target), body: string(l.Body)}
		for f := range slices.Chunk(l.Fields, 2) {
			s.fields += string(f[0]) + ": " + string(f[1]) + "\n"
		}
		list = append(list, s)
	}
	return list, said
}

// nodePardons are the reasons for which node may refuse, or see in another way, what wire
// accepts.
var nodePardons = []struct {
	name string
	fits func(p *nodePlayer, w seen, raw []byte) bool
}{
	{"a method that node does not know", func(p *nodePlayer, w seen, _ []byte) bool { return !slices.Contains(p.methods, w.method) }},
	{"a tab around the transfer coding (RFC 9112 §5: OWS)", matches(`(?i)\r\nTransfer-Encoding:[^\r\n]*\t`)},
	{"a minor version above 1 (RFC 9110 §2.5)", matches(`HTTP/1\.[2-9]\r\n`)},
	{"what follows a request to upgrade, which node leaves to the new protocol though nobody takes it", matches(`(?i)\r\nConnection:[^\r\n]*upgrade`)},
	{"white space around ; and = of chunk extensions, and behind a chunk's size (RFC 9112 §7.1.1)", matches(`\r\n[0-9A-Fa-f]+(;[^\r\n]*)?[ \t]`)},
}

// matches is a pardon for what is sent in a certain way.
func matches(expr string) func(*nodePlayer, seen, []byte) bool {
	re := regexp.MustCompile(expr)
	return func(_ *nodePlayer, _ seen, raw []byte) bool { return re.Match(raw) }
}

func (p *nodePlayer) compare(raw []byte, w, n []seen, wsaid, nsaid []byte) (wrong, pardoned string) {
	for i, r := range w {
		if i < len(n) && r.method == n[i].method && r.target == n[i].target && r.body == n[i].body && r.fields == n[i].fields {
			continue
		}
		for _, x := range nodePardons {
			if x.fits(p, r, raw) {
				return "", x.name
			}
		}
		if i >= len(n) {
			return fmt.Sprintf("wire accepts request %d, %+q; node refuses it: %.200q", i+1, r, lastReply(nsaid)), ""
		}
		return fmt.Sprintf("request %d is %+q, for node %+q", i+1, r, n[i]), ""
	}
	if len(w) < len(n) && !refusedByStatus(wsaid) && !bytes.Contains(lastReply(wsaid), []byte("\r\nConnection: close\r\n")) {
		return fmt.Sprintf("wire sees %d requests and refuses none, node sees %d; wire said %.300q", len(w), len(n), lastReply(wsaid)), ""
	}
	return "", ""
}

// TestAgainstNode plays mutated requests to wire and to node's HTTP server, whose parser
// (llhttp) is another family than that of net/http. wire must accept no request that node
// refuses or sees in another way, but for nodePardons, and never see fewer without having
// refused one or closed. LITHAIR_SEED=N plays one seed and prints it.
func TestAgainstNode(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") != "1" {
		t.Skip("plays 50,000 connections to node: set LITHAIR_LONG=1")
	}
	first, rounds := uint64(1), uint64(50_000)
	for name, to := range map[string]*uint64{"LITHAIR_ROUNDS": &rounds, "LITHAIR_SEED": &first} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if *to = n; name == "LITHAIR_SEED" {
				rounds = 1
			}
		}
	}
	ours, node, m := wirePlayer(t, true), newNodePlayer(t), newMutator(t)
	requests, refusals, laxer, failures := 0, 0, 0, 0
	why := map[string]int{}
	for seed := first; seed < first+rounds && failures < 20; seed++ {
		raw := m.make(seed)
		w, wsaid := ours.play(t, raw, 0)
		n, nsaid := node.play(t, raw)
		requests += len(w)
		if refusedByStatus(wsaid) {
			refusals++
		}
		if len(n) > len(w) {
			laxer++
		}
		wrong, pardoned := node.compare(raw, w, n, wsaid, nsaid)
		if pardoned != "" {
			why[pardoned]++
		}
		if wrong != "" {
			failures++
			t.Errorf("LITHAIR_SEED=%d: %s\n%q", seed, wrong, raw)
		}
		if rounds == 1 {
			t.Logf("sent %q\nwire: %+q\n%s\nnode: %+q\n%s", raw, w, wsaid, n, nsaid)
		}
	}
	t.Logf("%d mutated connections: wire handled %d requests, refused %d; node sees more in %d; node stricter or other: %v", rounds, requests, refusals, laxer, why)
	if rounds > 1 && (requests < int(rounds)/4 || refusals < int(rounds)/4) {
		t.Error("the mutations are too wild or too tame to say much")
	}
}

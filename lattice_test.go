package lithair_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// lattice is the module's import order as text: which packages of the module each one
// may import, and why not more. Imports point down only. "x/..." is x and everything
// under it; a package may always import its own sub-folders. A folder that is not
// listed fails the test: whoever adds a room says here which floor it is on.
const lattice = `
binenc                                                          : a leaf: bytes and their meaning, usable alone
jsonx                                                           : a leaf: usable alone, so wire renders its few lines of JSON itself
wire                                                            : a leaf: a socket and HTTP, no idea of storage or models
wire/nethttp    wire                                            : a bridge for those who bring net/http; the core must not link it
ws              wire                                            : stands on the HTTP connection it was upgraded from, on nothing else
internal/disk                                                   : files, real and simulated; knows no format
internal/...    internal/...                                    : simulation and test support; each such folder is listed when it needs more
internal/cli    engine state model eventlog consensus consensus/node backup blob rest wire jsonx binenc internal/disk internal/crypt : commands on data and nodes, of the tool and of every application; below the root, which hands it what the framework alone can do
internal/devpage wire                                          : pages of lithair dev, answered by it and by the program it runs
internal/fleet  wire jsonx internal/linear                       : drives clusters of whole programs from outside; the program is handed in, so it stands below the root, and sees no package testing
internal/soak   internal/fleet backup live live/client ws wire jsonx : what a cluster lives through for hours; sees what clients and operators see
internal/clustertest internal/fleet                              : nothing but tests
internal/devtools ws wire jsonx                                   : drives a browser from tests; the connection is a client of ws, and wire serves the pages of its own test
internal/linear                                                 : judges histories; knows no cluster, so that simulated and real ones are judged alike
internal/sim    internal/linear engine model state consensus consensus/node eventlog internal/disk : whole nodes in one goroutine: on top of what they are made of; nothing but programs and tests imports it
internal/gen    model binenc jsonx                              : reads source and writes code; what it knows of structs is what model says of them, and what it writes uses the front door
lithairtest     . wire jsonx internal/disk                      : starts applications for users' tests, by the front door; the disk in memory alone is from behind it
internal/crashtest . wire jsonx model internal/...              : drives whole programs from outside, so it may see the front door and nothing behind it
eventlog        binenc internal/disk internal/crypt             : durable order on one disk; knows neither models nor consensus
model           binenc jsonx                                    : what a struct says about itself; never where it is stored
state           model binenc jsonx                              : applies committed facts; knows no log, so it can be rebuilt from any
consensus       binenc                                          : the pure core: a storage, clock or socket here would end repeatable simulation
consensus/node  consensus eventlog binenc internal/disk         : drives the core; knows no state, so that log and state meet in engine alone
query           model binenc jsonx                              : one predicate compiler for everyone; works on canonical bytes, never on an engine
engine          state model eventlog binenc jsonx internal/disk internal/crypt : the write path; sees ordering through its own interface, so no consensus import
blob            internal/disk internal/crypt                    : files by their content; knows no record, so that whoever does says what is named
backup          engine state eventlog binenc jsonx blob internal/disk internal/crypt : a capability: copies what the engine exports, and knows its formats by the packages that own them
rooms           jsonx binenc                                     : a capability: what it needs of sockets and of other nodes is handed to it
rest            engine state model query wire jsonx binenc      : a capability: below the root, wired by it
live            engine state model query ws wire jsonx binenc   : a capability: below the root, wired by it; what clients may see of a record is handed in
observe         wire jsonx                                      : a capability: reads numbers and functions it is handed, never the engine
sdk/js                                                          : the client for browsers as bytes in a binary; imports nothing
openapi         model jsonx binenc                              : a capability: describes what it is told, and serves nothing
.               openapi wire ws jsonx binenc model state query engine eventlog consensus consensus/node rest live rooms sdk/js observe backup blob internal/disk internal/crypt internal/cli internal/devpage : the root only wires
docs                                                            : guides; nothing but tests
cmd/...         . ...                                           : programs, on top of everything
examples/...    . lithairtest wire jsonx model                  : programs as users write them: front door only
`

// banned are standard packages whose job this module does itself. Keys are import
// paths, values the folders that may import them all the same.
var banned = map[string][]string{
	"net/http":               {"wire/nethttp", "cmd/bench"}, // the bridge; the opponent
	"net/http/httputil":      nil,
	"net/textproto":          nil,
	"net/rpc":                nil,
	"net/rpc/jsonrpc":        nil,
	"encoding/json":          {"cmd/bench"}, // the opponent
	"encoding/json/v2":       nil,
	"encoding/json/jsontext": nil,
	"encoding/gob":           {"cmd/bench"}, // the opponent
	"encoding/xml":           nil,
}

// coreFiles are the protocol cores: bytes or messages in, bytes or messages out. They
// may not see a socket, a file, a clock, a lock or chance, so that a run can be
// repeated from a seed and each core fuzzed on its own. Patterns as in path.Match.
var coreFiles = []string{
	"binenc/append.go", "binenc/reader.go", "binenc/head.go", "binenc/message.go", "binenc/errors.go",
	"wire/token.go", "wire/head.go", "wire/framing.go", "wire/chunked.go", "wire/responsehead.go", "wire/responseparser.go", "wire/clientrequest.go", "wire/redirect.go", "wire/query.go", "wire/router.go", "wire/forwarded.go", "wire/origin.go",
	"wire/coding.go", "wire/byterange.go", "wire/multipart.go", "wire/parameter.go",
	"ws/opcode.go", "ws/header.go", "ws/mask.go", "ws/utf8.go", "ws/closecode.go", "ws/message.go", "ws/handshake.go", "ws/huffman.go", "ws/inflate.go", "ws/deflate.go",
	"eventlog/format.go", "eventlog/envelope.go", "eventlog/index.go", "eventlog/merkle.go", "eventlog/pack.go", "eventlog/scan.go",
	"state/btree/*.go", "state/batch.go", "state/event.go", "state/root.go", "state/table.go",
	"engine/executor.go", "engine/call.go", "engine/batch.go", "engine/follow.go", "engine/entry.go",
	"live/core.go", "live/diff.go", "live/frame.go", "live/hash.go", "live/index.go", "live/members.go", "live/view.go",
	"consensus/*.go",
	"rooms/message.go", "rooms/frame.go", "rooms/limit.go", "rooms/core.go", "rooms/peers.go", "rooms/room.go", "rooms/owner.go", "rooms/presence.go",
}

// coreBans are what core files may not import.
var coreBans = []string{"net", "os", "time", "sync", "math/rand", "math/rand/v2", "crypto/rand", "syscall"}

const module = "github.com/lithair/lithair-go"

// source is what the rules look at: one Go file outside tests.
type source struct {
	path    string // slash-separated, from the module's root
	imports []string
}

func (s source) dir() string { return path.Dir(s.path) }

// room is one line of the lattice.
type room struct {
	dir    string // "." is the root
	may    []string
	reason string
}

func parseLattice(t *testing.T, text string) []room {
	t.Helper()
	var rooms []room
	for line := range strings.Lines(strings.TrimSpace(text)) {
		left, reason, ok := strings.Cut(line, ":")
		words := strings.Fields(left)
		if !ok || len(words) == 0 || strings.TrimSpace(reason) == "" {
			t.Fatalf("lattice: a line needs a folder, a colon and a reason: %q", line)
		}
		rooms = append(rooms, room{dir: words[0], may: words[1:], reason: strings.TrimSpace(reason)})
	}
	return rooms
}

// covers says whether pattern names dir: itself, or "x/..." for x and all under it.
func covers(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == base || strings.HasPrefix(dir, base+"/")
	}
	return pattern == dir
}

// roomOf returns the most specific line for dir: dir itself or its nearest listed parent.
func roomOf(rooms []room, dir string) (room, bool) {
	best, found := room{}, false
	for _, r := range rooms {
		base := strings.TrimSuffix(r.dir, "/...")
		inside := base == dir || base != "." && strings.HasPrefix(dir, base+"/")
		if inside && (!found || len(base) > len(strings.TrimSuffix(best.dir, "/..."))) {
			best, found = r, true
		}
	}
	return best, found
}

// breaches returns every breach of the lattice and of the bans in those files.
func breaches(rooms []room, files []source) (bad []string) {
	note := func(f source, format string, args ...any) {
		bad = append(bad, f.path+": "+fmt.Sprintf(format, args...))
	}
	for _, f := range files {
		r, ok := roomOf(rooms, f.dir())
		if !ok {
			note(f, "the folder %s is not in the lattice; list what it may import, and why not more", f.dir())
			continue
		}
		for _, imp := range f.imports {
			inner, ours := strings.CutPrefix(imp, module)
			switch {
			case imp == "C":
				note(f, "imports C: cgo would end cross-compilation and the static binary")
			case ours && (inner == "" || inner[0] == '/'):
				to := strings.TrimPrefix(inner, "/")
				if to == "" {
					to = "."
				}
				own := strings.TrimSuffix(r.dir, "/...")
				if covers(own+"/...", to) && own != "." || slices.ContainsFunc(r.may, func(p string) bool { return covers(p, to) }) {
					continue
				}
				note(f, "imports %s, which %s may not: %s", to, r.dir, r.reason)
			case strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
				note(f, "imports %s: the standard library is the only dependency", imp)
			default:
				if allowed, is := banned[imp]; is && !slices.ContainsFunc(allowed, func(d string) bool { return covers(d+"/...", f.dir()) }) {
					note(f, "imports %s, whose job this module does itself", imp)
				}
			}
		}
	}
	return bad
}

// impurities returns every ban broken in a core file.
func impurities(patterns []string, files []source) (bad []string) {
	for _, f := range files {
		core := slices.ContainsFunc(patterns, func(p string) bool { ok, err := path.Match(p, f.path); return err == nil && ok })
		for _, imp := range f.imports {
			if core && slices.Contains(coreBans, imp) {
				bad = append(bad, fmt.Sprintf("%s: imports %s, but it is a core file: clocks, disks, sockets and chance are handed in", f.path, imp))
			}
		}
	}
	return bad
}

// strangers returns what in a list of all files of the tree breaks "one module, nothing
// vendored"; gomod is the text of the root go.mod.
func strangers(paths []string, gomod string) (bad []string) {
	for _, p := range paths {
		switch {
		case path.Base(p) == "go.mod" && p != "go.mod":
			bad = append(bad, p+": a nested module")
		case path.Base(p) == "go.sum" || path.Base(p) == "go.work":
			bad = append(bad, p+": there is nothing to sum or to join")
		case slices.Contains(strings.Split(path.Dir(p), "/"), "vendor"):
			bad = append(bad, p+": vendored code")
		}
	}
	for line := range strings.Lines(gomod) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.TrimSuffix(word, "(") {
		case "", "//", "module", "go":
		default:
			bad = append(bad, "go.mod: "+strings.TrimSpace(line)+": only module and go lines belong here")
		}
	}
	return bad
}

// tree lists every file of the module, and parses the imports of those that are
// product code: Go files outside tests and testdata, whatever their build tags.
func tree(t *testing.T) (paths []string, files []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "data") {
				return filepath.SkipDir
			}
			return nil
		}
		p = filepath.ToSlash(p)
		paths = append(paths, p)
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{path: p}
		for _, i := range f.Imports {
			imp, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, imp)
		}
		files = append(files, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths, files
}

func TestLattice(t *testing.T) {
	_, files := tree(t)
	if len(files) == 0 {
		t.Fatal("no product code found: the test looks in the wrong place")
	}
	for _, b := range breaches(parseLattice(t, lattice), files) {
		t.Error(b)
	}
}

func TestPurity(t *testing.T) {
	_, files := tree(t)
	for _, b := range impurities(coreFiles, files) {
		t.Error(b)
	}
	for _, p := range coreFiles {
		if strings.Contains(p, "*") { // a folder that may come later
			continue
		}
		if !slices.ContainsFunc(files, func(f source) bool { return f.path == p }) {
			t.Errorf("core file %s does not exist; bring the list along", p)
		}
	}
}

func TestModuleStandsAlone(t *testing.T) {
	paths, _ := tree(t)
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range strangers(paths, string(gomod)) {
		t.Error(b)
	}
}

// TestLatticeRules feeds each rule an example that breaks it and one that does not.
func TestLatticeRules(t *testing.T) {
	rooms := parseLattice(t, lattice)
	in := func(p string, imports ...string) []source { return []source{{p, imports}} }
	at := func(p string) string { return module + "/" + p }
	cases := []struct {
		name  string
		got   []string
		wrong string // what the one breach must say; "" when there must be none
	}{
		{"own sub-folder", breaches(rooms, in("state/store.go", at("state/btree"))), ""},
		{"downwards", breaches(rooms, in("engine/tx.go", at("state"), at("eventlog"), "fmt", "net")), ""},
		{"upwards", breaches(rooms, in("state/store.go", at("engine"))), "imports engine"},
		{"sideways", breaches(rooms, in("wire/server.go", at("jsonx"))), "imports jsonx"},
		{"root from below", breaches(rooms, in("rest/mount.go", module)), "imports ., which rest may not"},
		{"core reaches its driver's log", breaches(rooms, in("consensus/raft.go", at("eventlog"))), "imports eventlog"},
		{"engine sees consensus", breaches(rooms, in("engine/order.go", at("consensus/node"))), "imports consensus/node"},
		{"example at the back door", breaches(rooms, in("examples/blog/main.go", at("engine"))), "imports engine"},
		{"example at the front door", breaches(rooms, in("examples/blog/main.go", module, at("wire"))), ""},
		{"unlisted room", breaches(rooms, in("util/strings.go", "strings")), "not in the lattice"},
		{"name that only begins alike", breaches(rooms, in("wirex/a.go", "fmt")), "not in the lattice"},
		{"third party", breaches(rooms, in("wire/server.go", "github.com/other/http")), "only dependency"},
		{"golang.org/x too", breaches(rooms, in("wire/server.go", "golang.org/x/net/http2")), "only dependency"},
		{"module of a similar name", breaches(rooms, in("wire/server.go", module+"-extra/x")), "only dependency"},
		{"cgo", breaches(rooms, in("internal/disk/fast.go", "C")), "cgo"},
		{"net/http", breaches(rooms, in("rest/mount.go", "net/http")), "imports net/http"},
		{"net/http in the bridge", breaches(rooms, in("wire/nethttp/handler.go", "net/http")), ""},
		{"net/http in the bench", breaches(rooms, in("cmd/bench/app.go", "net/http", "encoding/json")), ""},
		{"encoding/json in another program", breaches(rooms, in("cmd/lithair/main.go", "encoding/json")), "imports encoding/json"},
		{"encoding/gob", breaches(rooms, in("eventlog/log.go", "encoding/gob")), "imports encoding/gob"},
		{"encoding/xml", breaches(rooms, in("rest/xml.go", "encoding/xml")), "imports encoding/xml"},
		{"net/rpc", breaches(rooms, in("consensus/node/rpc.go", "net/rpc")), "imports net/rpc"},
		{"net/textproto", breaches(rooms, in("wire/field.go", "net/textproto")), "imports net/textproto"},
		{"core with a clock", impurities(coreFiles, in("engine/executor.go", "time")), "core file"},
		{"core with a lock", impurities(coreFiles, in("consensus/raft.go", "sync")), "core file"},
		{"core with a socket", impurities(coreFiles, in("consensus/raft.go", "net")), "core file"},
		{"core with a file", impurities(coreFiles, in("engine/entry.go", "os")), "core file"},
		{"core with chance", impurities(coreFiles, in("consensus/raft.go", "math/rand/v2")), "core file"},
		{"driver with a clock", impurities(coreFiles, in("consensus/node/clock.go", "time")), ""},
		{"require", strangers(nil, "module m\n\ngo 1.26\n\nrequire example.com/x v1.0.0\n"), "require example.com/x"},
		{"require block", strangers(nil, "module m\ngo 1.26\nrequire(\n"), "require("},
		{"replace", strangers(nil, "module m\ngo 1.26\nreplace a => ./b\n"), "replace"},
		{"clean go.mod", strangers([]string{"go.mod", "wire/server.go"}, "module m\n\ngo 1.26\n"), ""},
		{"nested module", strangers([]string{"go.mod", "tools/go.mod"}, ""), "nested module"},
		{"vendor", strangers([]string{"vendor/a/b.go"}, ""), "vendored"},
		{"go.sum", strangers([]string{"go.sum"}, ""), "go.sum"},
	}
	for _, c := range cases {
		switch {
		case c.wrong == "" && len(c.got) != 0:
			t.Errorf("%s: refused: %v", c.name, c.got)
		case c.wrong != "" && (len(c.got) != 1 || !strings.Contains(c.got[0], c.wrong)):
			t.Errorf("%s: want one breach with %q, got %v", c.name, c.wrong, c.got)
		}
	}
}

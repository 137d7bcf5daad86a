package cli

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lithair/lithair-go/consensus/node"
	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/disk"
)

var update = flag.Bool("update", false, "write docs/errors.md")

// noFault are exported errors that have no code of their own, each with why.
var noFault = map[string]string{
	"engine.ErrNoRoom": "requests: LTH1031", "engine.ErrBusy": "requests: LTH1027", "engine.ErrNotLeader": "requests: LTH1028", "engine.ErrNoLeader": "requests: LTH1028",
	"engine.ErrClosed": "requests: LTH1028", "engine.ErrNested": "a mistake in Go code", "engine.ErrEventName": "a mistake in Go code", "engine.ErrEventSealed": "a mistake in Go code", "engine.ErrEventLocal": "a mistake in Go code", "engine.ErrNotCommitted": "requests: LTH1029", "engine.ErrOutcomeUnknown": "requests: LTH1030",
	"engine.ErrNotFound": "requests: LTH1010", "engine.ErrTxDone": "a mistake in Go code", "engine.ErrUnknownTable": "a mistake in Go code", "engine.LostError": "requests: LTH1029, LTH1030",
	"engine.ConflictError": "requests: LTH1013 to LTH1016", "engine.ValidationError": "requests: LTH1021", "engine.TooLargeError": "requests: LTH1019", "engine.CascadeError": "requests: LTH1034",
	"engine.PanicError": "requests: LTH1026", "engine.IdempotencyError": "requests: LTH1024",
	"eventlog.ErrNoKey": "becomes that of crypt", "eventlog.ErrClosed": "a mistake in Go code", "eventlog.ErrOrder": "a mistake in Go code", "eventlog.ErrReadOnly": "a mistake in Go code",
	"eventlog.ErrTooLarge": "requests: LTH1019", "eventlog.ErrCompacted": "becomes engine.GoneError", "eventlog.ErrOutOfRange": "becomes engine.ErrFuture", "eventlog.ErrNotThese": "tells a repairing node to ask another",
	"eventlog.ErrProof": "the verifier of a proof says it", "eventlog.ErrIncomplete": "the verifier of a proof says it", "eventlog.ErrPlan": "a repair plan that was changed by Go code",
	"model.KeyError": "requests: LTH1010", "consensus.ErrEncoding": "another node's mistake, logged", "consensus.ErrNotLeader": "requests: LTH1028", "consensus.ErrNoLeader": "requests: LTH1028",
	"consensus.ErrBusy": "requests: LTH1027", "consensus.ErrTransferring": "cluster answers carry its text", "consensus.ErrChanging": "cluster answers carry its text", "consensus.ErrTooEarly": "cluster answers carry its text",
	"consensus.ErrTarget": "cluster answers carry its text", "consensus.ErrUnheard": "cluster answers carry its text", "consensus.ErrWrongGroup": "between nodes, logged", "consensus.ErrWrongNode": "between nodes, logged", "consensus.ErrMalformed": "between nodes, logged", "consensus.ErrCompacted": "becomes a snapshot",
	"node.ErrGroupTaken": "a mistake in Go code", "node.ErrNotANode": "between nodes, logged", "node.ErrWrongStream": "between nodes, logged", "node.ErrUnknownGroup": "between nodes, logged",
	"node.ErrNoIdentity": "a new node", "node.ErrNotLeader": "requests: LTH1028", "node.ErrClosed": "requests: LTH1028", "node.ErrDeposed": "requests: LTH1030", "node.ErrNoLeader": "requests: LTH1028",
	"node.ErrRepairMessage": "between nodes, logged", "node.ErrUnknownNode": "cluster answers carry its text", "node.UnreadError": "the damage in it has a code",
	"blob.ErrNotFound": "requests: LTH1010", "blob.TooLargeError": "requests: LTH1019",
	"crypt.ErrDamaged": "becomes damage of the file it is in", "crypt.ErrHeader": "becomes damage of the file it is in", "crypt.ErrExhausted": "a file of more than 2^32 blocks cannot come to be",
	"disk.ErrPower": "the simulated disk", "disk.PartError": "the simulated disk", "engine.RetentionError": "logged; the message says what to do",

	"wire.ErrHeader": "a mistake in Go code", "wire.ErrStarted": "a mistake in Go code", "wire.ErrNoBody": "a mistake in Go code", "wire.ErrLength": "a mistake in Go code",
	"wire.ErrHijacked": "a mistake in Go code", "wire.ErrReturned": "a mistake in Go code", "wire.ErrCookie": "a mistake in Go code", "wire.ErrEvent": "a mistake in Go code", "wire.ErrLine": "a mistake in Go code",
	"wire.Error": "has a status and a code of its own", "ws.ErrNotUTF8": "a mistake in Go code", "live.Error": "has a code of live/SPEC.md", "rooms.Error": "has a code of live/SPEC.md",
	"wire.ErrServerClosed": "the server was told to stop", "wire.ErrClientGone": "nobody is left to be told", "wire.PanicError": "requests: LTH1026",
	"wire.ErrInflated": "requests: LTH1019", "wire.ErrCoding": "requests: LTH1007", "wire.ErrUseResponse": "says to the client what to do",
	"wire.ErrMalformedResponse": "the cause in a wire.ClientError", "wire.ErrResponseHeader": "the cause in a wire.ClientError", "wire.ErrResponseFields": "the cause in a wire.ClientError",
	"wire.ErrResponseTrailer": "the cause in a wire.ClientError", "wire.ErrInterim": "the cause in a wire.ClientError", "wire.ErrContentLimit": "the cause in a wire.ClientError",
	"wire.ErrTooManyRedirects": "the cause in a wire.ClientError", "wire.ErrNotReplayable": "the cause in a wire.ClientError", "wire.ErrPoolFull": "the cause in a wire.ClientError",
	"wire.ErrClientClosed": "a mistake in Go code", "wire.ErrResponseClosed": "a mistake in Go code",
	"wire.ClientError": "of whoever calls another server; says stage and address", "wire.ProxyError": "the cause in a wire.ClientError",
	"ws.ErrClosed": "the connection has ended; its close code says why", "ws.ErrQueueFull": "nothing was queued; the sender decides", "ws.ErrTimeout": "the connection has ended",
	"ws.ErrServerClosed": "the server was told to stop", "ws.ErrHandled": "a mistake in Go code", "ws.CloseError": "has a close code (RFC 6455 §7.4)", "ws.ProtocolError": "has a close code (RFC 6455 §7.4)",
	"ws.HandshakeError": "has a status (RFC 6455 §4)",
	"client.ErrDiffers": "the client fetches the list anew", "client.ErrOffline": "the client connects again by itself",
	"rooms.ErrBusy": "a word of live/SPEC.md", "rooms.ErrJoined": "a word of live/SPEC.md", "rooms.ErrJoins": "a word of live/SPEC.md", "rooms.ErrNotJoined": "a word of live/SPEC.md",
	"rooms.ErrNotPresent": "a word of live/SPEC.md", "rooms.ErrRate": "a word of live/SPEC.md", "rooms.ErrRoomFull": "a word of live/SPEC.md", "rooms.ErrRooms": "a word of live/SPEC.md",
	"rooms.ErrTooLarge": "a word of live/SPEC.md", "rooms.ErrUnavailable": "a word of live/SPEC.md", "rooms.ErrUnknownRoom": "a word of live/SPEC.md", "rooms.ErrMessage": "between nodes, logged",
	"lithair.ErrBusy": "requests: LTH1027", "lithair.ErrClosed": "requests: LTH1028", "lithair.ErrJobTooLarge": "of whoever adds the job; the message has the limit", "lithair.ErrNested": "a mistake in Go code",
	"lithair.ErrNotCommitted": "requests: LTH1029", "lithair.ErrNotFound": "requests: LTH1010", "lithair.ErrNotLeader": "requests: LTH1028", "lithair.NotLeaderError": "requests: LTH1028",
	"lithair.ErrOutcomeUnknown": "requests: LTH1030", "lithair.ErrTxDone": "a mistake in Go code", "lithair.ErrNotLeased": "the worker has lost the job, and another has it", "lithair.ErrSnapshotDone": "a mistake in Go code",
	"lithair.ErrEventVersion": "logged as what holds up a hook; the message names both versions",
}

// faultPackages are those whose exported errors users may see.
var faultPackages = []string{"eventlog", "model", "state", "consensus", "consensus/node", "engine", "blob", "backup", "internal/crypt", "internal/disk",
	"wire", "ws", "live", "live/client", "rooms", "."}

// TestRegistryIsComplete walks the sources: each exported error is in the registry or says why not,
// each code in use is in it, none of it is unused, and each name of middleware is there.
func TestRegistryIsComplete(t *testing.T) {
	named := map[string]bool{}
	for _, f := range faults {
		for _, n := range f.Names {
			named[n] = true
		}
	}
	found := map[string]bool{}
	for _, dir := range faultPackages {
		pkg := path.Base(dir)
		if dir == "." {
			pkg = "lithair"
		}
		for _, name := range exportedErrors(t, filepath.Join("..", "..", dir)) {
			full := pkg + "." + name
			found[full] = true
			if named[full] == (noFault[full] != "") {
				t.Errorf("%s: registered: %v, and without a code: %q; it must be one of the two", full, named[full], noFault[full])
			}
		}
	}
	for n := range named {
		if strings.Contains(n, ".") && !found[n] {
			t.Errorf("the registry has %s, which is nowhere", n)
		}
	}
	for n := range noFault {
		if !found[n] {
			t.Errorf("noFault has %s, which is nowhere", n)
		}
	}
	used, words := codesInSource(t)
	all := Faults()
	for i, f := range all {
		if i > 0 && all[i-1].Code == f.Code {
			t.Errorf("%s stands there twice", f.Code)
		}
		if f.Title == "" || f.Hint == "" {
			t.Errorf("%s has no title or no hint", f.Code)
		}
		switch own := slices.ContainsFunc(f.Names, func(n string) bool { return words[n] }); {
		case len(f.is) == 0 && !own && !used[f.Code]:
			t.Errorf("%s is used nowhere", f.Code)
		case strings.HasPrefix(f.Code, "LTH11"):
			for _, n := range f.Names {
				delete(words, n)
			}
		}
		delete(used, f.Code)
	}
	for c := range used {
		t.Errorf("%s is used and not in the registry", c)
	}
	for w := range words {
		t.Errorf("middleware answers the code %q, which is not in the registry", w)
	}
	t.Logf("%d codes, %d exported errors", len(all), len(found))
}

// exportedErrors lists the variables Err... and types ...Error of a package.
func exportedErrors(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if g.Tok == gotoken.VAR && regexp.MustCompile(`^Err[A-Z]`).MatchString(n.Name) {
							names = append(names, n.Name)
						}
					}
				case *ast.TypeSpec:
					if _, is := s.Type.(*ast.StructType); is && s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Error") {
						names = append(names, s.Name.Name)
					}
				}
			}
		}
	}
	return names
}

// codesInSource finds LTH codes that stand as text outside the registry, and the words that
// wire and ws answer as codes.
func codesInSource(t *testing.T) (codes, words map[string]bool) {
	t.Helper()
	codes, words = map[string]bool{}, map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != root && (name[0] == '.' || name == "testdata" || name == "examples") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || d.Name() == "faults.go" {
			return nil
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), p, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		dir := strings.Split(filepath.ToSlash(rel), "/")[0]
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); n.Kind == gotoken.STRING && err == nil && regexp.MustCompile(`^LTH\d{4}$`).MatchString(s) {
					codes[s] = true
				}
			case *ast.KeyValueExpr:
				key, _ := n.Key.(*ast.Ident)
				lit, _ := n.Value.(*ast.BasicLit)
				if key != nil && lit != nil && key.Name == "Code" && lit.Kind == gotoken.STRING && (dir == "wire" || dir == "ws") {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						words[s] = true
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(codes) < 30 || len(words) < 5 {
		t.Fatalf("%d codes and %d words: the test looks in the wrong place", len(codes), len(words))
	}
	return codes, words
}

// TestErrorPages holds docs/errors.md against the registry; -update writes it.
func TestErrorPages(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Error codes\n\nCodes never change their meaning. `lithair errors lookup CODE` prints the same. LTH1: requests, in the member `code` of\n`application/problem+json`, whose `type` is `/docs/errors#CODE`, a page of the application itself (not with `no-docs`); LTH2: starts and settings; LTH3: data; LTH4: clusters; LTH5: commands.\n")
	for _, f := range Faults() {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.\n", f.Code, f.Title, f.Hint)
		if len(f.Names) > 0 {
			fmt.Fprintf(&b, "\nAlso: %s.\n", strings.Join(f.Names, ", "))
		}
	}
	file := filepath.Join("..", "..", "docs", "errors.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/errors.md is not that of the registry (%v): run go test ./internal/cli -update", err)
	}
}

// TestCodeOf gives errors their codes, wrapped ones, too.
func TestCodeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("open: %w", &disk.LockedError{}), "LTH2005"},
		{&eventlog.CorruptError{}, "LTH3001"},
		{errors.Join(errors.New("a"), node.ErrNeeded), "LTH4004"},
		{&ExitError{CodeLocked, node.ErrSameCluster}, "LTH4002"}, // the cause before the exit code
		{&ExitError{CodeUsage, errors.New("want")}, "LTH5001"},
		{os.ErrNotExist, "LTH5003"},
		{errors.New("anything"), ""},
	} {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	for text, want := range map[string]string{"LTH3001": "LTH3001", "myapp: damaged [LTH3001]": "LTH3001", "eventlog.ErrFull": "LTH2006", "rate_limited": "LTH1102", "full move": "LTH2006", "lth1010": "LTH1010"} {
		if got := lookup(text); len(got) == 0 || got[0].Code != want {
			t.Errorf("lookup %q: %v, want %s", text, got, want)
		}
	}
	if got := lookup("zebra"); len(got) > 0 {
		t.Errorf("zebra: %v", got)
	}
}

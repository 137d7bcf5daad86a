package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// builder makes a program anew whenever its source has changed, and is quick where only bodies
// of Go files have.
//
// The go command knows what a program is made of, and finds that out each time. The builder asks
// it once (learn), and from then on calls compiler and linker itself, for the packages that
// changed and those above them. It believes what it learned only as long as names of files,
// imports, directives, go.mod and the like are as they were; anything else, and any failure, goes
// to the go command. So what is wrong with the source is always told by the go command, in its words.
//
// Programs made by either are for trying: packages that are being edited are not inlined, nothing
// has debug information, and the version control system is not asked.
type builder struct {
	dir    string    // of the program's package
	work   string    // folder for archives, and nothing else
	err    io.Writer // what the go command says
	flags  []string  // of go build and go list; nil where the environment has flags of its own
	root   string    // folder of its module
	begun  bool      // flags are those for the environment
	plan   *plan     // nil: the go command is needed
	direct int       // programs made without the go command
}

// quick are flags with which the go command makes programs to try: without debug information and
// the state of the repository; the package itself without inlining.
var quick = []string{"-buildvcs=false", "-pgo=off", "-gcflags=-l -dwarf=false", "-ldflags=-w -s"}

// build makes the program out. It says whether anything is new: otherwise there is no out, and
// the program made last is what would have been made.
func (b *builder) build(ctx context.Context, out string) (bool, error) {
	if b.plan != nil {
		fresh, err := b.plan.build(ctx, out)
		if err == nil {
			b.direct++
			return fresh, nil
		}
		b.plan, b.begun = nil, false
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
	if !b.begun { // the settings of the go command may be what changed
		if err := b.begin(ctx); err != nil {
			return false, err
		}
	}
	args := append(append([]string{"build"}, b.flags...), "-o", out, ".")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, b.err, b.err
	if err := cmd.Run(); err != nil {
		return false, fmt.Errorf("go build: %w", err)
	}
	return true, nil
}

// begin looks at the environment: flags that the user gives to all builds are not overridden.
func (b *builder) begin(ctx context.Context) error {
	env, err := goEnvironment(ctx, b.dir)
	if err != nil {
		return err
	}
	b.flags, b.begun, b.root = nil, true, b.dir
	if dir, err := filepath.Abs(b.dir); err == nil && env.GOMOD != "" && within(filepath.Dir(env.GOMOD), dir) {
		b.root = filepath.Dir(env.GOMOD)
	}
	if env.quick() {
		b.flags = quick
	}
	return nil
}

// learn prepares for building without the go command, which made program. Nothing is learned where the program is
// not one that can be made so; what fails is no fault of the program, which was built.
func (b *builder) learn(ctx context.Context, program string) error {
	if b.plan != nil || b.flags == nil {
		return nil
	}
	p, err := newPlan(ctx, b.dir, program, b.work, b.flags)
	if errors.Is(err, errNotDirect) || ctx.Err() != nil {
		return nil
	}
	b.plan = p
	return err
}

// errNotDirect says that the go command is needed.
var errNotDirect = errors.New("the go command is needed")

// build makes the program of what changed since the last call. After an error the plan is of no use.
func (p *plan) build(ctx context.Context, out string) (fresh bool, err error) {
	dirty, err := p.changes()
	if err != nil {
		return false, err
	}
	if len(dirty) == 0 && p.linked {
		return false, nil
	}
	for _, k := range p.packages { // each behind what it imports
		above := func(path string) bool { return dirty[path] }
		if !dirty[k.ImportPath] && !slices.ContainsFunc(k.Imports, above) {
			continue
		}
		if !k.plain {
			return false, errNotDirect
		}
		dirty[k.ImportPath] = true
		if err := p.compile(ctx, k); err != nil {
			return false, err
		}
	}
	p.linked = true // if it cannot be, there is no further call
	return true, p.link(ctx, out)
}

// compile makes the archive of a package, and has it take the place of the one before.
func (p *plan) compile(ctx context.Context, k *pkg) error {
	archive := filepath.Join(p.work, strconv.Itoa(k.number)+".a")
	imports := filepath.Join(p.work, "importcfg")
	if err := os.WriteFile(imports, p.importcfg(), 0o600); err != nil {
		return err
	}
	name := k.ImportPath
	if k.Name == "main" {
		name = "main"
	}
	args := []string{"-o", archive, "-p", name, "-lang=" + k.lang, "-complete", "-nolocalimports", "-pack",
		"-l", "-dwarf=false", "-c=" + strconv.Itoa(min(p.cores, 4)), "-importcfg", imports}
	if len(k.EmbedFiles) > 0 {
		files := filepath.Join(p.work, "embedcfg")
		text, err := k.embedcfg()
		if err == nil {
			err = os.WriteFile(files, text, 0o600)
		}
		if err != nil {
			return err
		}
		args = append(args, "-embedcfg", files)
	}
	for _, f := range k.GoFiles {
		args = append(args, "./"+f)
	}
	if err := p.tool(ctx, k.Dir, "compile", args...); err != nil {
		return err
	}
	k.Export = archive
	return nil
}

// link makes the program of all archives.
func (p *plan) link(ctx context.Context, out string) error {
	imports := filepath.Join(p.work, "importcfg.link")
	if err := os.WriteFile(imports, append(p.importcfg(), p.modinfo...), 0o600); err != nil {
		return err
	}
	main := p.packages[len(p.packages)-1]
	args := []string{"-o", out, "-importcfg", imports, "-buildmode=exe", "-w", "-s", "-extld=" + p.env.CC}
	if main.DefaultGODEBUG != "" {
		args = append(args, "-X=runtime.godebugDefault="+main.DefaultGODEBUG)
	}
	return p.tool(ctx, p.work, "link", append(args, main.Export)...)
}

// importcfg says where the archive of each package is.
func (p *plan) importcfg() []byte {
	var b bytes.Buffer
	for _, k := range p.packages {
		fmt.Fprintf(&b, "packagefile %s=%s\n", k.ImportPath, k.Export)
	}
	b.Write(p.fixed)
	return b.Bytes()
}

// toolMemory bounds what compiler and linker take before they collect garbage: they end before
// that pays.
const toolMemory = "GOMEMLIMIT=1GiB"

// tool runs the compiler or the linker. What they say is dropped: the go command will say it.
func (p *plan) tool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.env.GOTOOLDIR, name), args...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), p.env.variables(), []string{"PWD=" + dir, "GOGC=off", toolMemory})
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(said)))
	}
	return nil
}

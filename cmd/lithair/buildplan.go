package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lithair/lithair-go/jsonx"
)

// plan is what the go command knows of a program.
type plan struct {
	env      goEnv
	work     string
	cores    int
	packages []*pkg // those that may be edited, each behind what it imports; the program's own is last
	fixed    []byte // importcfg lines of all others
	modinfo  string // importcfg line: what debug.ReadBuildInfo says
	linked   bool   // a program was made of it
	files    []file // that make it void when they change: go.mod and the like
}

// pkg is a package that may be edited; the exported fields are those of go list.
type pkg struct {
	Dir, ImportPath, Name string
	Export                string // archive
	Standard              bool
	DefaultGODEBUG        string
	Module                *struct{ GoMod, GoVersion string }

	GoFiles, IgnoredGoFiles, Imports                           []string
	EmbedPatterns, EmbedFiles                                  []string
	ImportMap                                                  map[string]string
	CgoFiles, CFiles, CXXFiles, MFiles, HFiles, FFiles, SFiles []string
	SwigFiles, SwigCXXFiles, SysoFiles, IgnoredOtherFiles      []string

	number  int
	lang    string // such as go1.26
	plain   bool   // the compiler alone can make it
	sources []file // Go files, also those that are left out
	embeds  []file
	folders []folder // whose names tell what belongs to it
}

// listFields are asked of go list.
const listFields = "Dir,ImportPath,Name,Export,Standard,DefaultGODEBUG,Module,GoFiles,IgnoredGoFiles,Imports,EmbedPatterns,EmbedFiles,ImportMap," +
	"CgoFiles,CFiles,CXXFiles,MFiles,HFiles,FFiles,SFiles,SwigFiles,SwigCXXFiles,SysoFiles,IgnoredOtherFiles"

// goEnv are settings of the go command, by the names of its variables.
type goEnv struct {
	GOTOOLDIR, GOROOT, GOMODCACHE, GOMOD, GOWORK, GOENV, GOFLAGS, CC    string
	GOOS, GOARCH, GOAMD64, GOARM64, GOARM, GO386, GORISCV64, GOPPC64    string
	GOMIPS, GOMIPS64, GOEXPERIMENT, GOFIPS140, CGO_ENABLED, GOTOOLCHAIN string
}

// goEnvironment asks the go command for its settings in a folder.
func goEnvironment(ctx context.Context, dir string) (env goEnv, err error) {
	cmd := exec.CommandContext(ctx, "go", "env", "-json")
	var said bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &said
	text, err := cmd.Output()
	if err != nil {
		return env, fmt.Errorf("go env: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return env, jsonx.Unmarshal(text, &env)
}

// harmless are flags in GOFLAGS that change nothing of what the tools are told.
var harmless = []string{"-buildvcs", "-mod", "-modcacherw", "-p", "-tags", "-v"}

// quick says that flags for quick builds change nothing that the user asks for, and that the
// tools are called as this program calls them: elsewhere than on Linux programs are linked in other modes.
func (e goEnv) quick() bool {
	for f := range strings.FieldsSeq(e.GOFLAGS) {
		name, _, _ := strings.Cut(strings.Replace(f, "--", "-", 1), "=")
		if !slices.Contains(harmless, name) {
			return false
		}
	}
	return runtime.GOOS == "linux" && e.GOOS == runtime.GOOS && runtime.GOARCH == e.GOARCH && (e.GOFIPS140 == "" || e.GOFIPS140 == "off")
}

// variables are those that compiler and linker read, which may be set elsewhere than in the environment.
func (e goEnv) variables() []string {
	return []string{"GOROOT=" + e.GOROOT, "GOOS=" + e.GOOS, "GOARCH=" + e.GOARCH, "GOAMD64=" + e.GOAMD64, "GOARM64=" + e.GOARM64,
		"GOARM=" + e.GOARM, "GO386=" + e.GO386, "GORISCV64=" + e.GORISCV64, "GOPPC64=" + e.GOPPC64, "GOMIPS=" + e.GOMIPS,
		"GOMIPS64=" + e.GOMIPS64, "GOEXPERIMENT=" + e.GOEXPERIMENT}
}

// newPlan asks the go command about the program that it has built of dir. errNotDirect: it is not
// one that compiler and linker alone can make, or is being edited.
func newPlan(ctx context.Context, dir, program, work string, flags []string) (*plan, error) {
	env, err := goEnvironment(ctx, dir)
	if err != nil {
		return nil, err
	}
	p := &plan{env: env, work: work, cores: runtime.GOMAXPROCS(0)}
	began := time.Now().Add(-coarse)
	list, err := goList(ctx, dir, flags)
	if err != nil {
		return nil, err
	}
	var fixed bytes.Buffer
	for _, k := range list {
		switch {
		case k.ImportPath == "unsafe":
		case k.Standard || within(env.GOMODCACHE, k.Dir):
			if !k.Standard && len(k.CgoFiles) > 0 { // linked by the C compiler
				return nil, errNotDirect
			}
			fmt.Fprintf(&fixed, "packagefile %s=%s\n", k.ImportPath, k.Export)
		default:
			if err := p.take(k); err != nil {
				return nil, err
			}
		}
	}
	p.fixed = fixed.Bytes()
	if len(p.packages) == 0 || p.packages[len(p.packages)-1].Name != "main" {
		return nil, errNotDirect
	}
	if err := p.settings(); err != nil {
		return nil, err
	}
	if err := p.information(program); err != nil {
		return nil, err
	}
	if yes, err := p.touched(began); yes || err != nil {
		return nil, cmp.Or(err, errNotDirect)
	}
	return p, nil
}

// coarse is more than the clock of a file system is behind.
const coarse = 50 * time.Millisecond

// touched says that a file or folder was changed since then: perhaps the go command saw another one.
func (p *plan) touched(since time.Time) (bool, error) {
	late := func(f file) bool { return f.modified >= since.UnixNano() }
	if slices.ContainsFunc(p.files, late) {
		return true, nil
	}
	for _, k := range p.packages {
		if slices.ContainsFunc(k.sources, late) || slices.ContainsFunc(k.embeds, late) {
			return true, nil
		}
		for _, f := range k.folders {
			if at, err := f.newest(); err != nil || at >= since.UnixNano() {
				return true, err
			}
		}
	}
	return false, nil
}

// within says that path is below dir.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return dir != "" && err == nil && filepath.IsLocal(rel)
}

// goList lists the packages of a program, each behind what it imports.
func goList(ctx context.Context, dir string, flags []string) (list []*pkg, err error) {
	args := append(append([]string{"list", "-export", "-deps", "-json=" + listFields}, flags...), ".")
	cmd := exec.CommandContext(ctx, "go", args...)
	var text, said bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &text, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, strings.TrimSpace(said.String()))
	}
	for d := jsonx.NewDecoder(&text); ; {
		k := new(pkg)
		switch err := d.Decode(k); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		list = append(list, k)
	}
}

// take adds a package that may be edited.
func (p *plan) take(k *pkg) (err error) {
	if k.Export == "" {
		return fmt.Errorf("go list: no archive of %s", k.ImportPath)
	}
	if len(k.CgoFiles) > 0 {
		return errNotDirect
	}
	k.number = len(p.packages)
	foreign := slices.Concat(k.CFiles, k.CXXFiles, k.MFiles, k.HFiles, k.FFiles, k.SFiles, k.SwigFiles, k.SwigCXXFiles, k.SysoFiles)
	k.plain = len(foreign) == 0 && len(k.ImportMap) == 0 && k.Module != nil && k.Module.GoVersion != ""
	if k.plain {
		parts := strings.SplitN(k.Module.GoVersion, ".", 3)
		k.lang = "go" + strings.Join(parts[:min(len(parts), 2)], ".")
	}
	for _, name := range slices.Concat(k.GoFiles, k.IgnoredGoFiles) {
		f, err := newSource(filepath.Join(k.Dir, name))
		if err != nil {
			return err
		}
		k.sources = append(k.sources, f)
	}
	for _, name := range slices.Concat(k.EmbedFiles, foreign) {
		f, err := newFile(filepath.Join(k.Dir, name))
		if err != nil {
			return err
		}
		k.embeds = append(k.embeds, f)
	}
	for _, name := range k.IgnoredOtherFiles { // assembly for other systems, unless its constraints change
		f, err := newFile(filepath.Join(k.Dir, name))
		if err != nil {
			return err
		}
		p.files = append(p.files, f)
	}
	if k.folders, err = k.belonging(); err != nil {
		return err
	}
	p.packages = append(p.packages, k)
	return nil
}

// settings are the files that say what belongs to a program beside its source. One that is not
// there counts, too.
func (p *plan) settings() error {
	names := []string{p.env.GOENV}
	add := func(mod string) {
		if mod != "" && mod != os.DevNull {
			names = append(names, mod, filepath.Join(filepath.Dir(mod), strings.TrimSuffix(filepath.Base(mod), ".mod")+".sum"),
				filepath.Join(filepath.Dir(mod), "vendor", "modules.txt"))
		}
	}
	add(p.env.GOMOD)
	for _, k := range p.packages {
		if k.Module == nil {
			continue
		}
		add(k.Module.GoMod)
		for dir := k.Dir; within(filepath.Dir(k.Module.GoMod), dir); dir = filepath.Dir(dir) { // one that cuts a module off
			names = append(names, filepath.Join(dir, "go.mod"))
			if dir == filepath.Dir(k.Module.GoMod) {
				break
			}
		}
	}
	if p.env.GOWORK != "" && p.env.GOWORK != "off" {
		names = append(names, p.env.GOWORK, p.env.GOWORK+".sum", filepath.Join(filepath.Dir(p.env.GOWORK), "vendor", "modules.txt"))
	} else if p.env.GOMOD != "" { // one that comes
		for dir := filepath.Dir(p.env.GOMOD); ; dir = filepath.Dir(dir) {
			names = append(names, filepath.Join(dir, "go.work"))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "" || name == "off" {
			continue
		}
		f, err := newFile(name)
		if err != nil {
			return err
		}
		p.files = append(p.files, f)
	}
	return nil
}

// Around the text of modinfo, by which debug/buildinfo finds it in a program.
const (
	infoStart = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
	infoEnd   = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
)

// information has later programs say of themselves what the first one says, which the go command made.
func (p *plan) information(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	p.modinfo = fmt.Sprintf("modinfo %q\n", infoStart+info.String()+infoEnd)
	return nil
}

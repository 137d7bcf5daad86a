package gen

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FileName is what is written, in the folder of the package.
const FileName = "zz_lithair.go"

// framework is the import path of the root package.
const framework = "github.com/lithair/lithair-go"

// Package is the source of one package.
type Package struct {
	Name string
	Dir  string

	fset    *token.FileSet
	files   []*ast.File
	sources map[string][]byte // by file name, as positions have it
	types   *types.Package
	info    *types.Info
}

// SyntaxError is source that cannot be read.
type SyntaxError struct{ Mistakes []*Mistake }

// Error lists the mistakes.
func (e *SyntaxError) Error() string {
	var b strings.Builder
	for _, m := range e.Mistakes {
		b.WriteString(m.String())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ErrNoFiles says that there is no Go source in a folder.
var ErrNoFiles = errors.New("gen: no Go files")

// Load reads the package in a folder. Errors: *[SyntaxError], [ErrNoFiles], those of files.
func Load(dir string) (*Package, error) {
	p := &Package{Dir: dir, fset: token.NewFileSet(), sources: map[string][]byte{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	if len(p.files) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoFiles, dir)
	}
	p.Name = p.files[0].Name.Name
	imp := &importer{fset: p.fset, dir: dir, made: map[string]*types.Package{}}
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}}
	p.types = check(p.fset, p.Name, p.files, imp, p.info)
	return p, nil
}

// parse reads the files that belong to the package on this machine, but tests and what was
// generated before.
func (p *Package) parse() error {
	names, err := goFiles(p.Dir)
	if err != nil {
		return err
	}
	var bad SyntaxError
	for _, name := range names {
		full := filepath.Join(p.Dir, name)
		src, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		p.sources[full] = src
		f, err := parser.ParseFile(p.fset, full, src, parser.ParseComments|parser.SkipObjectResolution)
		var list scanner.ErrorList
		switch {
		case errors.As(err, &list):
			for _, e := range list {
				bad.Mistakes = append(bad.Mistakes, p.mistake(p.fset.File(f.FileStart).Pos(e.Pos.Offset), 0, "%s", e.Msg))
			}
		case err != nil:
			return err
		default:
			p.files = append(p.files, f)
		}
	}
	if len(bad.Mistakes) > 0 {
		return &bad
	}
	return nil
}

// goFiles lists the Go files of a folder in order of their names, without tests, those for
// other machines, and what was generated.
func goFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == FileName {
			continue
		}
		ok, err := build.Default.MatchFile(dir, name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// check finds types as far as it can.
func check(fset *token.FileSet, name string, files []*ast.File, imp types.Importer, info *types.Info) *types.Package {
	cfg := types.Config{Importer: imp, IgnoreFuncBodies: true, FakeImportC: true, Error: func(error) {}}
	pkg, _ := cfg.Check(name, fset, files, info) // what is wrong with it is the compiler's to say
	return pkg
}

// importer finds packages by their source: of the same module, of the standard library, and
// what the framework has that models and APIs name. Others are empty.
type importer struct {
	fset   *token.FileSet
	dir    string // where the search for go.mod begins
	made   map[string]*types.Package
	module string // path of the module; "" when there is none
	root   string // its folder
	looked bool
	inside bool // of the standard library: imports of imports are not followed
}

// Import implements types.Importer. It never fails.
func (im *importer) Import(path string) (*types.Package, error) {
	if have := im.made[path]; have != nil {
		return have, nil
	}
	pkg := types.NewPackage(path, filepath.Base(path))
	im.made[path] = pkg // for circles
	if fill := known[path]; fill != nil {
		fill(pkg)
	} else if dir := im.find(path); dir != "" {
		pkg = im.load(path, dir)
		im.made[path] = pkg
	}
	pkg.MarkComplete()
	return pkg, nil
}

func (im *importer) load(path, dir string) *types.Package {
	names, err := goFiles(dir)
	if err != nil {
		return types.NewPackage(path, filepath.Base(path))
	}
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(im.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err == nil {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return types.NewPackage(path, filepath.Base(path))
	}
	next := *im
	next.inside = !im.own(path)
	return check(im.fset, path, files, &next, nil)
}

// find returns the folder of a package; "" when it is not looked into.
func (im *importer) find(path string) string {
	if !im.looked {
		im.looked = true
		im.root, im.module = moduleOf(im.dir)
	}
	switch {
	case im.own(path):
		return filepath.Join(im.root, filepath.FromSlash(strings.TrimPrefix(path, im.module)))
	case im.inside || strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
		return ""
	}
	return filepath.Join(build.Default.GOROOT, "src", filepath.FromSlash(path))
}

func (im *importer) own(path string) bool {
	return im.module != "" && (path == im.module || strings.HasPrefix(path, im.module+"/"))
}

// moduleOf looks for go.mod in dir and above.
func moduleOf(dir string) (root, path string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", ""
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			for line := range strings.Lines(string(b)) {
				if words := strings.Fields(line); len(words) > 1 && words[0] == "module" {
					return dir, strings.Trim(words[1], `"`)
				}
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", ""
		}
		dir = up
	}
}

// known are packages of which only this much matters; to check their source would take
// longer than all the rest.
var known = map[string]func(*types.Package){
	"time": func(p *types.Package) {
		declare(p, "Time", types.NewStruct(nil, nil))
		for _, name := range []string{"Duration", "Month", "Weekday"} {
			declare(p, name, types.Typ[types.Int64])
		}
	},
	framework: func(p *types.Package) {
		declare(p, "ID", idType)
		for _, name := range []string{"Blob", "Tx", "Snapshot", "App", "Config"} {
			declare(p, name, types.NewStruct(nil, nil))
		}
	},
	framework + "/model": func(p *types.Package) {
		declare(p, "ID", idType)
		declare(p, "Blob", types.NewStruct(nil, nil))
	},
	framework + "/binenc": func(p *types.Package) { declare(p, "Decimal", types.NewStruct(nil, nil)) },
	framework + "/wire": func(p *types.Package) {
		for _, name := range []string{"Request", "Response"} {
			declare(p, name, types.NewStruct(nil, nil))
		}
	},
}

func init() { // what nobody stores, and what has many imports
	for _, path := range []string{"context", "embed", "errors", "fmt", "html/template", "io", "iter", "log", "log/slog", "net", "net/http", "os", "strings", "sync", "text/template"} {
		known[path] = func(*types.Package) {}
	}
}

var idType = types.NewArray(types.Typ[types.Byte], 16)

func declare(p *types.Package, name string, under types.Type) {
	obj := types.NewTypeName(token.NoPos, p, name, nil)
	types.NewNamed(obj, under, nil)
	p.Scope().Insert(obj)
}

// position orders declarations.
func byPosition[T any](list []T, pos func(T) token.Pos) {
	slices.SortStableFunc(list, func(a, b T) int { return int(pos(a)) - int(pos(b)) })
}

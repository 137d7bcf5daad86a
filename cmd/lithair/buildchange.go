package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
)

// file is what tells whether a file has changed.
type file struct {
	path     string
	size     int64
	modified int64  // Unix nanoseconds; 0: it is not there
	head     string // of a Go file: what else than bodies it has, see head
}

// folder is what tells whether a file has come or gone.
type folder struct {
	path  string
	own   bool // the package's own folder
	all   bool // names that tools hide count, too
	names string
}

// newFile looks at a file, which need not be there.
func newFile(path string) (file, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file{path: path}, nil
	}
	if err != nil {
		return file{}, err
	}
	return file{path: path, size: info.Size(), modified: info.ModTime().UnixNano()}, nil
}

// newSource looks at a Go file.
func newSource(path string) (file, error) {
	f, err := newFile(path) // before it is read, so that what changes meanwhile is seen later
	if err != nil {
		return file{}, err
	}
	text, err := os.ReadFile(path)
	if err == nil {
		f.head, err = head(text)
	}
	return f, err
}

// head is what the go command reads of a Go file: the package, imports, and comments that are
// directives wherever they stand. Another head needs the go command.
func head(text []byte) (string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ImportsOnly)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintln(&b, "package", f.Name.Name)
	for _, s := range f.Imports {
		fmt.Fprintln(&b, "import", nameOfImport(s.Name), s.Path.Value)
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		for _, mark := range []string{"//go:", "// +build", "//+build", "//line ", "/*line ", "//export "} {
			if bytes.HasPrefix(line, []byte(mark)) {
				fmt.Fprintf(&b, "%s\n", line)
			}
		}
	}
	return b.String(), nil
}

func nameOfImport(n *ast.Ident) string {
	if n == nil {
		return ""
	}
	return n.Name
}

// newFolder looks at a folder of a package: its own, or one of what it embeds. Without all, names that
// no Go file has and that directories of embedded files leave out do not count: editors write such
// files. Nor do folders in the package's own: programs keep their data there.
func newFolder(path string, own, all bool) (folder, error) {
	f := folder{path: path, own: own, all: all}
	list, err := os.ReadDir(path)
	if err != nil {
		return folder{}, err
	}
	var b strings.Builder
	for _, e := range list {
		name := e.Name()
		if all || name[0] != '.' && name[0] != '_' && !strings.HasSuffix(name, "~") && !(own && e.IsDir()) {
			fmt.Fprintf(&b, "%v %s\n", e.Type(), name) // a link in place of a file cannot be embedded
		}
	}
	f.names = b.String()
	return f, nil
}

// newest is when something in a folder was last changed, in Unix nanoseconds.
func (f folder) newest() (at int64, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0, err
	}
	if !f.own || f.all {
		return info.ModTime().UnixNano(), nil
	}
	for line := range strings.Lines(f.names) { // folders in there do not matter
		_, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		file, err := newFile(filepath.Join(f.path, name))
		if err != nil {
			return 0, err
		}
		at = max(at, file.modified)
	}
	return at, nil
}

// belonging are the folders where a file of the package can come: its own, and those that patterns
// of //go:embed lead to.
func (k *pkg) belonging() (list []folder, err error) {
	all := slices.ContainsFunc(k.EmbedPatterns, func(p string) bool { return strings.HasPrefix(p, "all:") || strings.ContainsAny(p, `*?[\`) })
	paths := []string{k.Dir}
	for _, pattern := range k.EmbedPatterns {
		led, err := k.led(pattern)
		if err != nil {
			return nil, err
		}
		paths = append(paths, led...)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		f, err := newFolder(path, path == k.Dir, all)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// led lists the folders that a pattern leads through, and, for one that it names, all below: also those where
// nothing is to embed yet.
func (k *pkg) led(pattern string) (list []string, err error) {
	pattern, all := strings.CutPrefix(pattern, "all:")
	elements := strings.Split(pattern, "/")
	for i := range elements {
		named, err := fs.Glob(os.DirFS(k.Dir), strings.Join(elements[:i+1], "/"))
		if err != nil {
			return nil, err
		}
		for _, name := range named {
			root := filepath.Join(k.Dir, filepath.FromSlash(name))
			err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
				switch hidden := e != nil && (e.Name()[0] == '.' || e.Name()[0] == '_'); {
				case err != nil || !e.IsDir():
					return err
				case path != root && (i < len(elements)-1 || hidden && !all):
					return fs.SkipDir
				}
				list = append(list, path)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// changes are the packages of which a file is another than before. errNotDirect: something
// changed that only the go command knows what to make of.
func (p *plan) changes() (map[string]bool, error) {
	for _, f := range p.files {
		now, err := newFile(f.path)
		if err != nil {
			return nil, err
		}
		if now != f {
			return nil, errNotDirect
		}
	}
	dirty := map[string]bool{}
	for _, k := range p.packages {
		changed, err := k.changed()
		if err != nil {
			return nil, err
		}
		if changed {
			dirty[k.ImportPath] = true
		}
	}
	return dirty, nil
}

// changed takes note of how the files of a package are now.
func (k *pkg) changed() (yes bool, err error) {
	for _, f := range k.folders {
		now, err := newFolder(f.path, f.own, f.all)
		if err != nil {
			return false, err
		}
		if now != f {
			return false, errNotDirect
		}
	}
	for i, f := range k.sources {
		now, err := newFile(f.path)
		if err != nil {
			return false, err
		}
		if now.size == f.size && now.modified == f.modified {
			continue
		}
		if now, err = newSource(f.path); err != nil {
			return false, err
		}
		if now.head != f.head {
			return false, errNotDirect
		}
		k.sources[i], yes = now, true
	}
	for i, f := range k.embeds {
		now, err := newFile(f.path)
		if err != nil {
			return false, err
		}
		if now != f {
			k.embeds[i], yes = now, true
		}
	}
	return yes, nil
}

// embedcfg tells the compiler which files the patterns of //go:embed name.
func (k *pkg) embedcfg() ([]byte, error) {
	type config struct {
		Patterns map[string][]string
		Files    map[string]string
	}
	c := config{map[string][]string{}, map[string]string{}}
	for _, f := range k.EmbedFiles {
		c.Files[f] = filepath.Join(k.Dir, f)
	}
	for _, p := range k.EmbedPatterns {
		for _, f := range k.EmbedFiles {
			yes, err := matches(p, f)
			if err != nil {
				return nil, err
			}
			if yes {
				c.Patterns[p] = append(c.Patterns[p], f)
			}
		}
	}
	return jsonx.Marshal(c)
}

// matches says that a pattern of //go:embed names a file: by itself, or by a folder that it is in
// and that the pattern names, if tools do not hide it there.
func matches(pattern, file string) (bool, error) {
	pattern, all := strings.CutPrefix(pattern, "all:")
	elements := strings.Split(file, "/")
	for i := range elements {
		yes, err := path.Match(pattern, strings.Join(elements[:i+1], "/"))
		if err != nil {
			return false, err
		}
		hidden := func(name string) bool { return name[0] == '.' || name[0] == '_' }
		if yes {
			return all || !slices.ContainsFunc(elements[i+1:], hidden), nil
		}
	}
	return false, nil
}

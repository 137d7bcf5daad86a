package main

import (
	"bytes"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/gen"
)

//go:embed templates
var templates embed.FS

// templateNames are what -template takes; each is a folder beside common, whose files it may replace.
var templateNames = []string{"api", "web", "chat"}

// placedAs are files that are called otherwise in a project than among the templates.
var placedAs = map[string]string{"gitignore": ".gitignore", "dockerignore": ".dockerignore", "ci.yml": ".github/workflows/ci.yml"}

// project is what templates are filled with.
type project struct {
	Name, Module string
	Version      string // of the framework
	Replace      string // folder of a checkout; empty: none
	Web          bool
}

// ReplaceLine is Replace as go.mod has it, which wants quotes around what its own syntax has a use for.
func (p *project) ReplaceLine() string {
	if strings.ContainsAny(p.Replace, " \t\"'`()[]{},") || strings.Contains(p.Replace, "//") || strings.Contains(p.Replace, "/*") {
		return strconv.Quote(p.Replace)
	}
	return p.Replace
}

// projectFile is one file of a project, by its path in there.
type projectFile struct {
	path string
	body []byte
}

func setupNew(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	kind := fs.String("template", "web", "what to begin with: api, web, which has a page, or chat, where what others do is seen at once")
	module := fs.String("module", "", "path of the module (default: NAME)")
	noFrontend := fs.Bool("no-frontend", false, "the same as -template api")
	noAgents := fs.Bool("no-agents-md", false, "without AGENTS.md")
	dryRun := fs.Bool("dry-run", false, "write nothing; print the names of the files")
	replace := fs.String("replace", "", "folder of a checkout of Lithair to build with (default: the one this program was built in)")
	noReplace := fs.Bool("no-replace", false, "without a replace line in go.mod")
	return func(c *cli.Console, in cli.Input) error {
		dir := in.Args[0]
		p := project{Name: filepath.Base(dir), Module: *module}
		if *noFrontend {
			*kind = "api"
		}
		if err := checkProject(&p, *kind); err != nil {
			return &cli.ExitError{Code: cli.CodeUsage, Err: err}
		}
		p.Web = *kind == "web"
		if err := p.framework(*replace, *noReplace); err != nil {
			return err
		}
		files, err := p.files(*kind)
		if err != nil {
			return err
		}
		if *noAgents {
			files = slices.DeleteFunc(files, func(f projectFile) bool { return f.path == "AGENTS.md" })
		}
		if *dryRun {
			for _, f := range files {
				fmt.Fprintln(c.Out, filepath.Join(dir, f.path))
			}
			return nil
		}
		if err := write(dir, files); err != nil {
			return err
		}
		p.said(c, dir)
		return nil
	}
}

var goodProject = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// goodModule is what the go command takes as a module's path, but for what is rare.
var goodModule = regexp.MustCompile(`^[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*(/[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*)*$`)

// takenModules are names of one word that packages of the standard library, or the go command, have.
var takenModules = strings.Fields("bufio builtin bytes cmd cmp context crypto embed encoding errors expvar flag fmt go hash html image io iter log main maps math mime net os path plugin reflect regexp runtime slices sort strconv strings structs sync syscall testing time unicode unique unsafe weak")

// checkProject says what is wrong with a name, and what would do.
func checkProject(p *project, kind string) error {
	if !goodProject.MatchString(p.Name) {
		why := "a name is of small letters and digits, with single - between words, and begins with a letter: it is that of a program, a service and an image"
		if better := suggested(p.Name); better != "" {
			return fmt.Errorf("%q is no name: %s; how about %q?", p.Name, why, better)
		}
		return fmt.Errorf("%q is no name: %s", p.Name, why)
	}
	if p.Module == "" {
		p.Module = p.Name
	}
	if !goodModule.MatchString(p.Module) {
		return fmt.Errorf("%q is no path of a module: want something like example.org/%s", p.Module, p.Name)
	}
	if slices.Contains(takenModules, p.Module) {
		return fmt.Errorf("a module cannot be called %q, which is a package of Go itself: choose another name, or give it -module example.org/%s", p.Module, p.Name)
	}
	if !slices.Contains(templateNames, kind) {
		return fmt.Errorf("there is no template %q: there are %s", kind, strings.Join(templateNames, ", "))
	}
	return nil
}

// suggested makes a name of what was given; "" where nothing is left of it.
func suggested(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// framework finds the version to require: a checkout where this program was built in one, and
// else the version it was built of.
func (p *project) framework(replace string, noReplace bool) error {
	p.Version = "v0.0.0"
	if b, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(b.Main.Version, "v") && !strings.Contains(b.Main.Version, "+dirty") {
		p.Version = b.Main.Version
	}
	if replace == "" && !noReplace {
		replace = checkout()
	}
	if replace == "" {
		return nil
	}
	abs, err := filepath.Abs(replace)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(abs, "cmd", "lithair")); err != nil {
		return &cli.ExitError{Code: cli.CodeNotFound, Err: fmt.Errorf("%s is no checkout of Lithair: %w", abs, err)}
	}
	p.Replace, p.Version = filepath.ToSlash(abs), "v0.0.0"
	return nil
}

// checkout is the folder of the module that this program was built in; "" when that was a
// module of the module cache, or is not here any more.
func checkout() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) || strings.Contains(file, "@") {
		return ""
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if b, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil || !strings.HasPrefix(string(b), "module github.com/lithair/lithair-go\n") {
		return ""
	}
	return root
}

// files fills in the templates, and generates what go generate would.
func (p *project) files(kind string) (files []projectFile, err error) {
	for _, folder := range []string{"common", kind} {
		root := "templates/" + folder
		err := fs.WalkDir(templates, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := p.fill(name)
			at := p.place(strings.TrimPrefix(name, root+"/"))
			files = slices.DeleteFunc(files, func(f projectFile) bool { return f.path == at })
			files = append(files, projectFile{at, body})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	made, err := generated(files)
	if err != nil {
		return nil, err
	}
	files = append(files, projectFile{gen.FileName, made})
	slices.SortFunc(files, func(a, b projectFile) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

func (p *project) fill(name string) ([]byte, error) {
	text, err := templates.ReadFile(name)
	if err != nil {
		return nil, err
	}
	t, err := template.New(path.Base(name)).Delims("[[", "]]").Parse(string(text))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// place is the path of a template in the project.
func (p *project) place(name string) string {
	name = strings.TrimSuffix(name, ".tmpl")
	if name == "service" {
		return p.Name + ".service"
	}
	if as := placedAs[name]; as != "" {
		return as
	}
	return name
}

// generated is zz_lithair.go of a project that is not on disk yet.
func generated(files []projectFile) (src []byte, err error) {
	dir, err := os.MkdirTemp("", "lithair-new-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := write(filepath.Join(dir, "p"), files); err != nil {
		return nil, err
	}
	pkg, err := gen.Load(filepath.Join(dir, "p"))
	if err != nil {
		return nil, err
	}
	out, err := gen.Generate(pkg)
	if err == nil && len(out.Mistakes) > 0 {
		err = fmt.Errorf("the template is wrong: %s", out.Mistakes[0])
	}
	return out.Source, err
}

// write makes the folder, which must not be there or be empty, with all files.
func write(dir string, files []projectFile) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return &cli.ExitError{Code: cli.CodeLocked, Err: fmt.Errorf("%s is not empty; nothing was written", dir)}
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.body, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// said tells what to do next.
func (p *project) said(c *cli.Console, dir string) {
	fmt.Fprintf(c.Err, "%s is there. Next:\n\n  cd %s\n  go test ./...\n  go run .          # http://127.0.0.1:8080, the API at /docs\n", p.Name, dir)
	if p.Replace != "" {
		fmt.Fprintf(c.Err, "\ngo.mod takes Lithair from %s; -no-replace leaves that out.\n", p.Replace)
	}
}

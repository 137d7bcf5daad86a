package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/gen"
	"github.com/lithair/lithair-go/model"
)

// genRun is one call of the command.
type genRun struct {
	c             *cli.Console
	check, dryRun bool
	differs       int // files that are not as they would be written
	mistakes      int
	unreviewed    int // changes that the reviewed copy of the schemas does not have
}

func setupGen(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	check := fs.Bool("check", false, "write nothing; print a diff and exit with 1 when a file, or the reviewed copy of the schemas, is not up to date")
	dryRun := fs.Bool("dry-run", false, "write nothing; print what would be written")
	return func(c *cli.Console, in cli.Input) error {
		g := &genRun{c: c, check: *check, dryRun: *dryRun}
		dirs, err := packageDirs(in.Args)
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if err := g.dir(dir); err != nil {
				return err
			}
		}
		switch {
		case g.mistakes > 0:
			return fmt.Errorf("%d mistakes; nothing was written for their packages", g.mistakes)
		case g.check && g.differs > 0:
			return fmt.Errorf("%d files are not up to date: run lithair gen", g.differs)
		case g.check && g.unreviewed > 0:
			return fmt.Errorf("%d changes of models are not in %s: run lithair schema apply", g.unreviewed, model.ReviewFile)
		}
		return nil
	}
}

// packageDirs lists the folders that patterns name: DIR, or DIR/... for all below it.
func packageDirs(patterns []string) (dirs []string, err error) {
	if len(patterns) == 0 {
		patterns = []string{"."}
	}
	for _, p := range patterns {
		root, all := strings.CutSuffix(p, "...")
		if !all {
			dirs = append(dirs, p)
			continue
		}
		err := filepath.WalkDir(filepath.Clean(root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			name := d.Name()
			if path != filepath.Clean(root) && (name[0] == '.' || name[0] == '_' || name == "testdata" || name == "vendor" || name == "node_modules") {
				return filepath.SkipDir
			}
			dirs = append(dirs, path)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// dir deals with one package. A folder without Go files is passed over.
func (g *genRun) dir(dir string) error {
	p, err := gen.Load(dir)
	if errors.Is(err, gen.ErrNoFiles) {
		return nil
	}
	var syntax *gen.SyntaxError
	if errors.As(err, &syntax) {
		g.mistakes += len(syntax.Mistakes)
		fmt.Fprintln(g.c.Err, syntax)
		return nil
	}
	if err != nil {
		return err
	}
	out, err := gen.Generate(p)
	if err != nil {
		return err
	}
	for _, m := range out.Notes {
		fmt.Fprint(g.c.Err, "note: ", m)
	}
	for _, m := range out.Mistakes {
		fmt.Fprint(g.c.Err, m)
	}
	if len(out.Mistakes) > 0 {
		g.mistakes += len(out.Mistakes)
		return nil
	}
	if err := g.write(filepath.Join(dir, gen.FileName), out.Source); err != nil {
		return err
	}
	return g.review(dir, out.Declared)
}

// review says where the reviewed copy of the schemas, if the package has one, is behind its models. It
// is not written: that a schema changes is for somebody to agree to.
func (g *genRun) review(dir string, models []*model.Model) error {
	name := filepath.Join(dir, model.ReviewFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || len(models) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := model.ParseReview(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	next, err := old.Next(models)
	if err != nil { // schema plan says what to do
		g.behind(name, err.Error())
		return nil
	}
	for _, m := range models {
		now := next.Find(m.Name)
		if now == nil { // it is not logged
			continue
		}
		for _, c := range model.Compare(old.Find(m.Name), now) {
			g.behind(name, fmt.Sprintf("%s: %s (%s)", strings.TrimSuffix(c.Model+"."+c.Field, "."), c.What, c.Class))
		}
	}
	return nil
}

func (g *genRun) behind(name, what string) {
	g.unreviewed++
	fmt.Fprintf(g.c.Err, "note: %s is behind: %s; see lithair schema diff\n", name, what)
}

// write brings a file up to date, or says what that would change. A file that is not asked
// for any more goes.
func (g *genRun) write(name string, source []byte) error {
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case bytes.Equal(old, source):
		return nil
	case old != nil && !gen.IsGenerated(old):
		return fmt.Errorf("%s was not made by lithair gen, so it is left alone: give it another name", name)
	}
	g.differs++
	switch {
	case g.check:
		return g.c.PrintDiff(gen.Diff(name, string(old), string(source)))
	case g.dryRun:
		fmt.Fprintln(g.c.Out, name)
		return nil
	case source == nil:
		fmt.Fprintln(g.c.Err, "removed", name)
		return os.Remove(name)
	}
	fmt.Fprintln(g.c.Err, "wrote", name)
	return os.WriteFile(name, source, 0o644)
}

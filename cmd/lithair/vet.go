package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/gen"
	"github.com/lithair/lithair-go/jsonx"
)

// finding is a mistake as editors read it.
type finding struct {
	File       string   `json:"file"`
	Line       int      `json:"line"`
	Column     int      `json:"column"`
	Severity   string   `json:"severity"` // error or note
	Message    string   `json:"message"`
	DidYouMean string   `json:"did_you_mean,omitempty"`
	Allowed    []string `json:"allowed,omitempty"`
}

// vetRun is one call of the command.
type vetRun struct {
	c      *cli.Console
	asJSON bool
	errors int
}

func setupVet(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	asJSON := fs.Bool("json", false, "print a JSON document for each finding, one a line")
	return func(c *cli.Console, in cli.Input) error {
		dirs, err := packageDirs(in.Args)
		if err != nil {
			return err
		}
		v := &vetRun{c: c, asJSON: *asJSON}
		for _, dir := range dirs {
			if err := v.dir(dir); err != nil {
				return err
			}
		}
		if v.errors > 0 {
			return &cli.ExitError{Code: cli.CodeFailed}
		}
		return nil
	}
}

func (v *vetRun) dir(dir string) error {
	p, err := gen.Load(dir)
	var syntax *gen.SyntaxError
	switch {
	case errors.Is(err, gen.ErrNoFiles):
		return nil
	case errors.As(err, &syntax):
		return v.print("error", syntax.Mistakes)
	case err != nil:
		return err
	}
	out, err := gen.Vet(p)
	if err != nil {
		return err
	}
	if err := errors.Join(v.print("error", out.Mistakes), v.print("note", out.Notes)); err != nil || len(out.Mistakes) > 0 {
		return err
	}
	name := filepath.Join(dir, gen.FileName)
	have, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if string(have) != string(out.Source) && (have == nil || gen.IsGenerated(have)) {
		m := &gen.Mistake{Problem: "is not up to date: run lithair gen"}
		m.Pos.Filename, m.Pos.Line, m.Pos.Column = name, 1, 1
		return v.print("error", []*gen.Mistake{m})
	}
	return nil
}

func (v *vetRun) print(severity string, list []*gen.Mistake) error {
	for _, m := range list {
		if severity == "error" {
			v.errors++
		}
		if !v.asJSON {
			prefix := ""
			if severity == "note" {
				prefix = "note: "
			}
			fmt.Fprint(v.c.Out, prefix, m)
			continue
		}
		b, err := jsonx.Marshal(finding{m.Pos.Filename, m.Pos.Line, m.Pos.Column, severity, m.Problem, m.DidYouMean, m.Allowed})
		if err != nil {
			return err
		}
		fmt.Fprintf(v.c.Out, "%s\n", b)
	}
	return nil
}

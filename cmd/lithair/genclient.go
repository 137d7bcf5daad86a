package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lithair/lithair-go/internal/cli"
	"github.com/lithair/lithair-go/internal/gen"
	"github.com/lithair/lithair-go/internal/gen/client"
)

// clientLanguages are those of clients, and the document they are made of.
var clientLanguages = append(append([]string{}, client.Languages...), "openapi")

// genClient is one call of the command.
type genClient struct {
	lang, pkg, file string
	check           bool
	timeout         time.Duration
}

func setupGenClient(fs *flag.FlagSet) func(*cli.Console, cli.Input) error {
	g := &genClient{}
	fs.StringVar(&g.lang, "lang", "", strings.Join(clientLanguages, ", ")+" (default: as the file's name ends)")
	fs.StringVar(&g.file, "o", "-", "file to write; - is standard output")
	fs.StringVar(&g.pkg, "package", "", "name of the package, in Go (default: that of the file's folder)")
	fs.BoolVar(&g.check, "check", false, "write nothing; print a diff and exit with 1 when the file is not up to date")
	fs.DurationVar(&g.timeout, "timeout", 5*time.Minute, "how long to wait for the program's description of itself")
	return func(c *cli.Console, in cli.Input) error {
		source := "."
		if len(in.Args) > 0 {
			source = in.Args[0]
		}
		return g.run(c, source)
	}
}

func (g *genClient) run(c *cli.Console, source string) error {
	if err := g.defaults(); err != nil {
		return &cli.ExitError{Code: cli.CodeUsage, Err: err}
	}
	if err := g.apart(source); err != nil {
		return &cli.ExitError{Code: cli.CodeUsage, Err: err}
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	defer cancel()
	text, err := describedBy(ctx, c, source)
	if err != nil {
		return err
	}
	if g.lang != "openapi" {
		api, err := client.Read(text)
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		if text, err = api.Generate(g.lang, g.pkg); err != nil {
			return err
		}
	}
	return g.write(c, text)
}

// defaults finds language and package by the name of the file.
func (g *genClient) defaults() error {
	if g.lang == "" {
		switch ext := filepath.Ext(g.file); ext {
		case ".ts", ".js", ".py", ".go":
			g.lang = ext[1:]
		case ".mjs":
			g.lang = "js"
		case ".json":
			g.lang = "openapi"
		default:
			return fmt.Errorf("-lang is not given, and the name of the file does not tell: want one of %s", strings.Join(clientLanguages, ", "))
		}
	}
	known := false
	for _, l := range clientLanguages {
		known = known || l == g.lang
	}
	switch {
	case !known:
		return fmt.Errorf("-lang %s: want one of %s", g.lang, strings.Join(clientLanguages, ", "))
	case g.check && g.file == "-":
		return errors.New("-check wants the file to be named by -o")
	}
	if g.pkg == "" && g.lang == "go" {
		g.pkg = "client"
		if dir, err := filepath.Abs(filepath.Dir(g.file)); err == nil && g.file != "-" && strings.Trim(filepath.Base(dir), "abcdefghijklmnopqrstuvwxyz0123456789") == "" {
			g.pkg = filepath.Base(dir)
		}
	}
	return nil
}

// apart says what is wrong with the folder of a client in Go: its types are called like those of the
// application, so it is a package of its own.
func (g *genClient) apart(source string) error {
	if g.lang != "go" || g.file == "-" {
		return nil
	}
	dir := filepath.Dir(g.file)
	const advice = "a client in Go has types of the same names, so give it a folder of its own, such as -o client/client.go"
	if here, err := os.Stat(dir); err == nil {
		if there, err := os.Stat(source); err == nil && os.SameFile(here, there) {
			return fmt.Errorf("-o %s is in the application's own package: %s", g.file, advice)
		}
	}
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		return err
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		if p := f.Name.Name; p != g.pkg && p != g.pkg+"_test" && name != filepath.Base(g.file) {
			return fmt.Errorf("-o %s is of package %s, and %s is of package %s: %s, or name the package by -package", g.file, g.pkg, path, p, advice)
		}
	}
	return nil
}

// describedBy returns the OpenAPI document of an application: at a URL, in a file, or printed
// by the program in a folder.
func describedBy(ctx context.Context, c *cli.Console, source string) ([]byte, error) {
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		return documentAt(ctx, strings.TrimSuffix(strings.TrimSuffix(source, "/openapi.json"), "/")+"/openapi.json")
	}
	info, err := os.Stat(source)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return readDocument(source)
	}
	cmd := exec.CommandContext(ctx, "go", "run", ".", "-openapi")
	cmd.Dir, cmd.Stderr = source, c.Err
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: go run . -openapi: %w: want a program that ends in App.Run, a file with its OpenAPI document, or its URL", source, err)
	}
	return out, nil
}

func readDocument(name string) (b []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if b, err = io.ReadAll(io.LimitReader(f, maxDocument+1)); err == nil && len(b) > maxDocument {
		err = fmt.Errorf("%s has more than %d bytes", name, maxDocument)
	}
	return b, err
}

// write brings the file up to date, or says what that would change.
func (g *genClient) write(c *cli.Console, text []byte) error {
	if g.file == "-" {
		_, err := c.Out.Write(text)
		return err
	}
	old, err := os.ReadFile(g.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sign := client.Header
	if g.lang == "openapi" {
		sign = `"openapi"`
	}
	switch {
	case bytes.Equal(old, text):
		return nil
	case len(old) > 0 && !bytes.Contains(old[:min(len(old), 200)], []byte(sign)):
		return fmt.Errorf("%s was not made by lithair gen client, so it is left alone: give it another name", g.file)
	case g.check:
		return errors.Join(fmt.Errorf("%s is not up to date: run lithair gen client", g.file), c.PrintDiff(gen.Diff(g.file, string(old), string(text))))
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(g.file), 0o755), os.WriteFile(g.file, text, 0o644)); err != nil {
		return err
	}
	fmt.Fprintln(c.Err, "wrote", g.file)
	return nil
}

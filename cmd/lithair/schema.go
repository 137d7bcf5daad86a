package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/lithair/lithair-go/internal/cli"
)

// schema has the program in this folder carry out a command about its models, which it alone
// knows as they are compiled.
func schema(c *cli.Console, f cli.SchemaFlags, in cli.Input) (err error) {
	tmp, err := os.MkdirTemp("", "lithair-schema-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	program := filepath.Join(tmp, "program")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stdout, build.Stderr = c.Err, c.Err
	if err := build.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	run := exec.Command(program, append(f.Args(), keyArgs(in)...)...)
	run.Stdin, run.Stdout, run.Stderr = c.In, c.Out, c.Err
	err = run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &cli.ExitError{Code: exit.ExitCode()} // it has said why
	}
	return err
}

// keyArgs hands on where keys are; those in the environment are there for the program, too.
func keyArgs(in cli.Input) []string {
	if in.KeyFile == "" {
		return nil
	}
	return []string{"-encryption-key-file", in.KeyFile}
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lithair/lithair-go/internal/soak"
	"github.com/lithair/lithair-go/jsonx"
)

// runSoak lets three nodes work under faults, and fails where something did not hold.
func runSoak(args []string) error {
	fs := flag.NewFlagSet("bench soak", flag.ExitOnError)
	minutes := fs.Float64("minutes", 10, "how long; a round that has begun is ended")
	seed := fs.Uint64("seed", 1, "faults, and what clients do, follow from it")
	dir := fs.String("dir", "", "folder for data, with a short path; default the temporary folder")
	asJSON := fs.Bool("json", false, "print the report as one JSON document")
	plan := fs.Bool("plan", false, "print the plan, and do nothing")
	parse(fs, args)
	if *minutes <= 0 || *minutes > 7*24*60 {
		return fmt.Errorf("-minutes: is %v, of more than 0 to a week", *minutes)
	}
	cfg := soak.Config{Length: time.Duration(*minutes * float64(time.Minute)), Seed: *seed, Dir: *dir}
	if *plan {
		_, err := fmt.Print(soak.NewPlan(cfg))
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := os.Stdout
	if *asJSON { // standard output is the document alone
		out = os.Stderr
	}
	rep, err := soak.Run(ctx, cfg, out)
	if rep == nil {
		return err
	}
	if !*asJSON {
		return errors.Join(rep.Print(os.Stdout), err)
	}
	b, e := jsonx.Marshal(rep)
	if e != nil {
		return errors.Join(e, err)
	}
	_, e = fmt.Printf("%s\n", b)
	return errors.Join(e, err)
}

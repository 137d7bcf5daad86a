package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lithair/lithair-go/jsonx"
)

// check looks, on every node, whether each acknowledged write is there once, and whether all
// nodes have the same state.
func (f *fleet) check(ctx context.Context, out io.Writer, w *writers) error {
	var errs []error
	for i := range f.nodes {
		have, err := f.comments(ctx, i)
		if err != nil {
			return fmt.Errorf("node %d: %w", i+1, err)
		}
		lost, doubled := 0, 0
		for _, a := range w.acks {
			if have[a.text] == 0 {
				lost++
			}
		}
		for _, n := range have {
			if n > 1 {
				doubled++
			}
		}
		fmt.Fprintf(out, "node %d: %d comments, %d acknowledged ones lost, %d doubled\n", i+1, len(have), lost, doubled)
		if lost+doubled > 0 {
			errs = append(errs, fmt.Errorf("node %d has lost %d acknowledged writes and doubled %d", i+1, lost, doubled))
		}
	}
	return errors.Join(append(errs, f.equal(ctx, out))...)
}

// comments counts the comments of a node by their text. The read asks the leader how far it
// must have come.
func (f *fleet) comments(ctx context.Context, i int) (map[string]int, error) {
	have := map[string]int{}
	for skip := 0; ; {
		var page struct {
			Data []struct {
				Body string `json:"body"`
			} `json:"data"`
			HasMore bool `json:"has_more"`
		}
		b, err := f.patient(ctx, fmt.Sprintf("%s/api/comments?level=linearizable&take=1000&skip=%d", f.nodes[i].url, skip))
		if err != nil {
			return nil, err
		}
		if err := jsonx.Unmarshal(b, &page); err != nil {
			return nil, err
		}
		for _, c := range page.Data {
			have[c.Body]++
		}
		if skip += len(page.Data); !page.HasMore {
			return have, nil
		}
	}
}

// patient is get for a node that may be starting.
func (f *fleet) patient(ctx context.Context, url string) (b []byte, err error) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		if b, err = f.get(ctx, url); err == nil {
			return b, nil
		}
	}
	return nil, err
}

// equal waits until all nodes are at one sequence, and holds their hashes against each other.
func (f *fleet) equal(ctx context.Context, out io.Writer) error {
	var nodes []info
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		nodes = nodes[:0]
		for i := range f.nodes {
			if n, err := f.ask(ctx, i); err == nil && (len(nodes) == 0 || n.Seq == nodes[0].Seq) {
				nodes = append(nodes, n)
			}
		}
		if len(nodes) == len(f.nodes) {
			break
		}
	}
	if len(nodes) < len(f.nodes) {
		return errors.New("the nodes do not come to the same sequence")
	}
	for i, n := range nodes {
		if n.Hash != nodes[0].Hash {
			return fmt.Errorf("node %d differs from node 1 at sequence %d: state hash %s, not %s", i+1, n.Seq, n.Hash, nodes[0].Hash)
		}
	}
	fmt.Fprintf(out, "all nodes have the same state at sequence %d: %s\n", nodes[0].Seq, nodes[0].Hash)
	return nil
}

// Package soak lets three real nodes work for minutes or hours under everything at once, and judges what came of it.
//
//	plan := soak.NewPlan(cfg)
//	report, err := soak.Run(ctx, cfg, os.Stderr)
//
// A run is rounds. In a round, clients change and read registers, write notes that live queries follow, upload and read files,
// and talk in a room, while faults of the plan befall the nodes one after the other. Then all faults end, everything is
// checked, what was only there to be checked is removed, and the next round begins. What is checked:
//
//   - registers: every acknowledged change is there once, none that was refused is, and none of which a node said that nothing was carried out
//     (half of those are not made again); each history is linearizable;
//   - notes: every node's list is what the writers were told, live queries have the same rows, and while they follow, their
//     rows are the list at the sequence they name;
//   - files: read whole at every node, they have the content that was put;
//   - room: while faults last, numbers rise, no member sees a message twice, or another one by the same number, and each sender's come in its order; without
//     faults every member has all messages, in one order;
//   - states: all nodes have one hash, and so has what a backup restores, started as a node;
//   - resources: memory, descriptors, goroutines and disk of the nodes at the ends of the last third of rounds, against the first third;
//   - words: nodes log nothing that no fault explains, and little of the rest;
//   - every kind of check was made.
//
// What it cannot see: a sync that is missing (processes are killed, not machines: package internal/disk cuts the power), messages of a room that a
// member does not get while faults last (numbers may jump then), presence (members have no names here), and leaks of less than one descriptor or
// goroutine in a round of a short run.
//
// Node 1 is never killed, so that leaks have time. What of the plan this machine cannot do is left out, and said.
package soak

package fleet

import (
	"io"
	"os"
)

// asNode, when set, makes the program a node.
const asNode = "FLEET_NODE"

// RunNode returns at once, unless this process was started as a node of a Fleet: then it is one, which node runs, and ends as one, or when
// the process that started it does.
func RunNode(node func()) {
	if os.Getenv(asNode) == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends
		os.Exit(1)
	}()
	node()
	os.Exit(0)
}

// What follows is what clients say to a node, and it to them.

// Register is what clients read, set and add to.
type Register struct {
	ID    string `json:"id" lithair:"primary_key"`
	Value int64  `json:"value"`
}

// Note is what live queries follow.
type Note struct {
	ID    string `json:"id" lithair:"primary_key"`
	Group int64  `json:"group" lithair:"indexed"`
	Text  string `json:"text"`
}

// Sweep is the input of the command sweep, which removes so many marks of changes at most, and Swept its answer.
type Sweep struct {
	Most int `json:"most"`
}

// Swept says how many marks are left; without any, there are no registers either.
type Swept struct {
	Left int `json:"left"`
}

// Change is the input of the commands put, add and replace.
type Change struct {
	Op       string `json:"op"`
	Register string `json:"register"`
	Arg      int64  `json:"arg"`
	Old      int64  `json:"old"`
}

// Changed is their answer.
type Changed struct {
	Value   int64 `json:"value"`
	Refused bool  `json:"refused"`
}

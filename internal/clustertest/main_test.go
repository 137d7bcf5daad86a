package clustertest

import (
	"flag"
	"os"
	"testing"

	"github.com/lithair/lithair-go/cmd/bench/node"
	"github.com/lithair/lithair-go/internal/fleet"
)

func TestMain(m *testing.M) {
	fleet.RunNode(node.Run)
	flag.Parse()
	os.Exit(m.Run())
}

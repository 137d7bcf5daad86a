package clustertest

import (
	"flag"
	"os"
	"testing"

	"github.com/lithair/lithair-go/internal/fleet"
)

func TestMain(m *testing.M) {
	fleet.RunNode()
	flag.Parse()
	os.Exit(m.Run())
}

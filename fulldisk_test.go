package lithair

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/disk"
)

// TestAStartOnAFullDisk: a program that was there before starts although there is no room at all, alone
// and as a member; it reads, refuses writes, and takes them when there is room.
func TestAStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"alone":  {Dir: "data"},
		"member": {Dir: "data", NodeID: 1, Cluster: "test", Peers: "1=" + freeAddr(t), ElectionTimeout: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			sim := disk.NewSim(3)
			cfg.FS = sim
			open := func() *App {
				a := newApp(t, cfg)
				Model[note](a, "/api/notes")
				a.Committed("seen", func(context.Context, Entry) error { return nil })
				Room(a, "lobby", RoomOptions{})
				Queue(a, "q", QueueOptions{}, func(*Tx, Job[string]) error { return nil })
				if err := a.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				return a
			}
			a := open()
			await(t, "the first record", func() bool {
				return call(t, a, "POST", "/api/notes", `{"text":"before"}`).StatusCode == 201
			})
			if err := a.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			saved := func() string {
				b, err := disk.ReadFile(sim, "data/positions/"+roomPosition+".pos")
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			before := saved()
			sim.SetCapacity(sim.Used())
			sim.Hook(func(op disk.Op, name string) error {
				if op == disk.OpWrite && strings.HasSuffix(name, ".tmp") {
					return syscall.ENOSPC
				}
				return nil
			})
			a = open()
			if got := call(t, a, "GET", "/api/notes/count", ""); got.body != `{"count":1}` {
				t.Errorf("reads: %s", got.body)
			}
			sim.Hook(nil)
			sim.SetCapacity(0)
			await(t, "room again", func() bool {
				return call(t, a, "POST", "/api/notes", `{"text":"after"}`).StatusCode == 201
			})
			await(t, "the epoch is saved", func() bool { return saved() != before })
			if err := a.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

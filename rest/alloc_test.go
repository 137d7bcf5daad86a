package rest_test

import (
	"testing"

	"github.com/lithair/lithair-go/rest"
)

func TestReadAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	r := newRig(t, rest.Options{})
	id := r.want(201, "", "POST", "/api/articles", `{"slug":"a","title":"A"}`).json["id"].(string)
	read := rest.ReadOnce(r.e, r.tables[1])
	if n := testing.AllocsPerRun(200, func() {
		if err := read(id); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations, want at most 2", n)
	}
}

package jsonx

import (
	"errors"
	"fmt"
	"testing"
)

// RFC 6901 §5.
func TestPointer(t *testing.T) {
	v, err := Parse([]byte(`{"foo":["bar","baz"],"":0,"a/b":1,"m~n":8," ":7,"~1":9}`))
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{"/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/m~0n": "8", "/ ": "7", "/~01": "9"} {
		x, err := v.Pointer(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if got, _ := x.AppendJSON(nil); string(got) != want {
			t.Errorf("%s: %s", p, got)
		}
	}
	for _, p := range []string{"foo", "/foo/2", "/foo/00", "/foo/-", "/foo/+1", "/x", "/a~2b", "/a~", "/foo/0/x"} {
		if _, err := v.Pointer(p); !errors.Is(err, ErrPointer) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func ExampleUnmarshal() {
	var v struct {
		Ports []uint16 `json:"ports"`
	}
	fmt.Println(Unmarshal([]byte(`{"ports":[80,70000]}`), &v))
	// Output: jsonx: line 1 column 14 (offset 13, "/ports/1"): number 70000 does not fit Go type uint16: value out of range
}

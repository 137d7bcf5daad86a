package jsonx

import (
	"errors"
	"testing"
)

// coded1 has code that says which path was taken.
type coded1 struct {
	A int     `json:"a"`
	B string  `json:"b,omitempty"`
	C *coded1 `json:"c,omitempty"`
}

func (v *coded1) GeneratedJSON() (*coded1, []string) {
	return nil, []string{"a||int|int", "b|e|string|string", "c|e|ptr|*jsonx.coded1"}
}

func (v *coded1) AppendJSONX(b []byte, depth int) ([]byte, error) {
	if depth <= 0 {
		return b, TooDeep(v)
	}
	b = AppendInt(append(b, `{"generated":`...), int64(v.A))
	if v.C != nil {
		var err error
		if b, err = v.C.AppendJSONX(append(b, `,"c":`...), depth-1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// stale1 has the code of another state.
type stale1 struct {
	A int64 `json:"a"`
}

func (v *stale1) GeneratedJSON() (*stale1, []string)          { return nil, []string{"a||int|int"} }
func (v *stale1) AppendJSONX(b []byte, _ int) ([]byte, error) { return append(b, "stale"...), nil }

// outer1 has the methods of what it embeds.
type outer1 struct {
	coded1
	D int `json:"d"`
}

// TestGeneratedCode: code is used where it says what the type is and what it writes is asked
// for; everywhere else the plan writes.
func TestGeneratedCode(t *testing.T) {
	for _, c := range []struct {
		what string
		v    any
		opts []Option
		want string
	}{
		{"at the top", &coded1{A: 1}, nil, `{"generated":1}`},
		{"in a list", []coded1{{A: 1}, {A: 2}}, nil, `[{"generated":1},{"generated":2}]`},
		{"behind a pointer in a map", map[string]*coded1{"x": {A: 3}}, nil, `{"x":{"generated":3}}`},
		{"in a struct", &struct{ X coded1 }{coded1{A: 4}}, nil, `{"X":{"generated":4}}`},
		{"a value that has no address", coded1{A: 5}, nil, `{"a":5}`},
		{"for HTML", &coded1{B: "<"}, []Option{EscapeHTML()}, `{"a":0,"b":"\u003c"}`},
		{"of another state", &stale1{A: 6}, nil, `{"a":6}`},
		{"of an embedded type", &outer1{D: 7}, nil, `{"a":0,"d":7}`},
	} {
		b, err := Marshal(c.v, c.opts...)
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.what, b, err, c.want)
		}
	}
	round := &coded1{}
	round.C = round
	if _, err := Append(nil, []*coded1{round}); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a circle: %v", err)
	}
	three := &coded1{C: &coded1{C: &coded1{}}}
	for depth, ok := range map[int]bool{2: false, 3: true, 4: true} {
		if _, err := Append(nil, three, MaxDepth(depth)); ok != (err == nil) {
			t.Errorf("three levels with a limit of %d: %v", depth, err)
		}
		if _, err := AppendNested(nil, three, depth); ok != (err == nil) {
			t.Errorf("three levels with %d to go: %v", depth, err)
		}
	}
}

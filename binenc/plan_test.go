package binenc

import (
	"reflect"
	"testing"
	"time"
)

type inner struct {
	A int
	B string
}
type all struct {
	I   int
	S   string
	T   time.Time
	P   *int
	L   []string
	M   map[string]inner
	N   []inner
	ID  [16]byte
	F   float64
	Raw []byte
}

func TestPlan(t *testing.T) {
	name := func(f reflect.StructField) (string, bool) { return f.Name, true }
	ty, err := TypeOf(reflect.TypeFor[all](), name)
	if err != nil {
		t.Fatal(err)
	}
	var number func(*Type)
	number = func(t *Type) {
		if t == nil {
			return
		}
		number(t.Elem)
		number(t.Key)
		for i := range t.Fields {
			t.Fields[i].Number = uint32(i + 1)
			number(&t.Fields[i].Type)
		}
	}
	number(&ty)
	p, err := Compile(reflect.TypeFor[all](), &ty, name)
	if err != nil {
		t.Fatal(err)
	}
	five := 0
	a := all{I: -5, S: "x", T: time.Unix(5, 6).UTC(), P: &five, L: []string{"a", ""}, M: map[string]inner{"k": {1, "z"}}, N: []inner{{2, "q"}, {}}, ID: [16]byte{1}, F: 2.5, Raw: []byte{}}
	b, err := p.Append(nil, &a)
	if err != nil {
		t.Fatal(err)
	}
	var c all
	if err := p.Decode(b, &c); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, c) {
		t.Fatalf("%+v\n%+v", a, c)
	}
}

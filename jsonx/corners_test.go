package jsonx

import (
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// The tag option string reads by a state of its own, whose options must not stay for calls that give none.
func TestOptionsEndWithTheirCall(t *testing.T) {
	type quoted struct {
		A int `json:",string"`
	}
	for range 100 {
		var q quoted
		if err := Unmarshal([]byte(`{"A":"1"}`), &q, AllowDuplicateNames(), MaxDepth(5)); err != nil {
			t.Fatal(err)
		}
		var m map[string]int
		if err := Unmarshal([]byte(`{"a":1,"a":2}`), &m); !errors.Is(err, ErrDuplicateName) {
			t.Fatalf("%v, want ErrDuplicateName", err)
		}
	}
}

// A slice of structs without pointers is as large as its elements say.
func TestFlatSlicesTakeTheirOwnSize(t *testing.T) {
	type point struct{ X, Y float64 }
	text := []byte("[")
	for range 1000 {
		text = append(text, `{"X":1,"Y":2},`...)
	}
	text[len(text)-1] = ']'
	var points []point
	decode := func() {
		points = nil
		if err := Unmarshal(text, &points); err != nil {
			t.Fatal(err)
		}
	}
	decode()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		decode()
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / 100; len(points) != 1000 || got > 4*16*1000 {
		t.Errorf("%d elements of 16 bytes took %d bytes", len(points), got)
	}
}

// Slices of structs of nothing but strings are made as slices of strings: the collector must find each of them.
func TestSlicesOfTexts(t *testing.T) {
	type named string
	type pair struct {
		K string
		V [2]named
	}
	type entry struct{ P pair }
	var text []byte
	want := make([]entry, 300)
	for i := range want {
		s := strings.Repeat("s", i%70) + strconv.Itoa(i)
		want[i] = entry{pair{s, [2]named{named(s + "1"), named(s + "2")}}}
	}
	text, err := Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]entry
	for range 50 {
		var got []entry
		if err := Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if cap(got) != len(got) && byAddress {
			t.Fatalf("capacity %d for %d", cap(got), len(got))
		}
		all = append(all, got)
		runtime.GC()
	}
	for _, got := range all {
		if !reflect.DeepEqual(got, want) {
			t.Fatal("elements have changed")
		}
	}
	var got []entry // after an error the buffer is as empty as before
	if err := Unmarshal([]byte(`[{"P":{"K":"left","V":["a","b"]}},{"P":{"K":"left","V":1}}]`), &got); err == nil {
		t.Fatal("accepted")
	}
	if err := Unmarshal([]byte(`[{},{}]`), &got); err != nil || !reflect.DeepEqual(got, make([]entry, 2)) {
		t.Errorf("%+v %v", got, err)
	}
}

type (
	sealed       struct{ X int }
	taggedSealed struct {
		sealed `json:"s"`
		C      int
	}
	taggedSealedPointer struct {
		*sealed `json:"s"`
		C       int
	}
	pointerToInt *int
	namedPointer struct {
		P pointerToInt `json:",string"`
	}
)

// Keys that are no strings, integers or texts are errors, also of maps that have none.
func TestMapKeysThatHaveNoNames(t *testing.T) {
	for _, v := range []any{map[[2]int]int(nil), map[float64]int{}, map[any]int{"a": 1}, map[bool]string{true: ""}} {
		_, err := json.Marshal(v)
		if _, err2 := Marshal(v); err == nil || !errors.Is(err2, errUnsupported) {
			t.Errorf("%T: %v, %v", v, err2, err)
		}
		p := reflect.New(reflect.TypeOf(v)).Interface()
		err = json.Unmarshal([]byte(`{}`), p)
		if err2 := Unmarshal([]byte(`{}`), p); err == nil || !errors.Is(err2, errUnsupported) {
			t.Errorf("%T: %v, %v", v, err2, err)
		}
		if err := Unmarshal([]byte(`null`), p); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	// encoding/json panics here
	if b, err := Marshal(map[encoding.TextMarshaler]int{nil: 1}); err == nil {
		t.Errorf("%s for a nil key", b)
	}
	var c chan int
	if err := Unmarshal([]byte(`null`), &c); err != nil {
		t.Error(err)
	}
	if err := Unmarshal([]byte(`1`), &c); !errors.Is(err, errUnsupported) {
		t.Error(err)
	}
}

// Corners where encoding/json is the oracle for both directions.
func TestCornersOfEncodingJSON(t *testing.T) {
	n := 7
	for _, v := range []any{
		&taggedSealed{sealed{1}, 2}, &taggedSealedPointer{&sealed{1}, 2}, &taggedSealedPointer{}, &namedPointer{&n}, &namedPointer{},
	} {
		want, err := json.Marshal(v)
		got, err2 := Marshal(v)
		if string(got) != string(want) || err != nil || err2 != nil {
			t.Errorf("%T: %s %v, want %s %v", v, got, err2, want, err)
		}
	}
	for _, x := range []struct {
		text string
		into func() any
	}{
		{`{"s":{"X":5},"C":6}`, func() any { return &taggedSealed{sealed{1}, 2} }},
		{`{"s":5,"C":6}`, func() any { return &taggedSealed{sealed{1}, 2} }},
		{`{"s":{"X":5},"C":6}`, func() any { return &taggedSealedPointer{&sealed{1}, 2} }},
		{`{"s":null,"C":6}`, func() any { return &taggedSealedPointer{&sealed{1}, 2} }},
		{`{"P":5}`, func() any { return &namedPointer{} }},
		{`[{"X":5},null]`, func() any { return &[2]taggedSealed{{sealed{1}, 2}, {sealed{3}, 4}} }},
		{`[{"C":5}]`, func() any { return &[2]taggedSealed{{sealed{1}, 2}, {sealed{3}, 4}} }},
	} {
		want, got := x.into(), x.into()
		err, err2 := json.Unmarshal([]byte(x.text), want), Unmarshal([]byte(x.text), got)
		if (err == nil) != (err2 == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s into %T: %+v %v, want %+v %v", x.text, got, got, err2, want, err)
		}
	}
	var p taggedSealedPointer // encoding/json panics here
	if err := Unmarshal([]byte(`{"s":{"X":1}}`), &p); !errors.Is(err, errSealed) || p.sealed != nil {
		t.Errorf("%v, want errSealed", err)
	}
	for cut := range len(`{"s":{"X":1}`) {
		if err := Unmarshal([]byte(`{"s":{"X":1}}`)[:cut], &p); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

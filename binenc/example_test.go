package binenc_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/lithair/lithair-go/binenc"
)

// A message written and read field by field, without a struct.
func Example() {
	e := binenc.NewEncoder(nil)
	e.Uint(1, 300)
	e.String(2, "ab")
	e.Float64(4, 1.5)
	msg, err := e.Message()
	if err != nil {
		panic(err)
	}
	fmt.Printf("% x\n", msg)

	d := binenc.NewDecoder(msg)
	for number, _, ok := d.Next(); ok; number, _, ok = d.Next() {
		switch number {
		case 1:
			fmt.Println("id", d.Uint())
		case 2:
			fmt.Println("name", d.String())
		case 4:
			fmt.Println("score", d.Float64())
		}
	}
	fmt.Println(d.Err())
	// Output:
	// c1 2c 01 82 61 62 d0 cd 00 00 00 00 00 00 f8 3f
	// id 300
	// name ab
	// score 1.5
	// <nil>
}

// A struct gets its numbers once; code that knows fewer fields keeps the others.
func ExamplePlan() {
	type order struct {
		ID    uint64
		Total binenc.Decimal
		Note  *string
	}
	type oldOrder struct {
		ID   uint64
		Rest binenc.Unknown
	}
	name := func(f reflect.StructField) (string, bool) { return f.Name, true }
	ty, err := binenc.TypeOf(reflect.TypeFor[order](), name)
	if err != nil {
		panic(err)
	}
	for i := range ty.Fields {
		ty.Fields[i].Number = uint32(i + 1)
	}
	plan, err := binenc.Compile(reflect.TypeFor[order](), &ty, name)
	if err != nil {
		panic(err)
	}
	old, err := binenc.Compile(reflect.TypeFor[oldOrder](), &ty, name)
	if err != nil {
		panic(err)
	}

	total, err := binenc.ParseDecimal("12.50")
	if err != nil {
		panic(err)
	}
	msg, err := plan.Append(nil, &order{ID: 7, Total: total})
	if err != nil {
		panic(err)
	}
	var o oldOrder
	if err := old.Decode(msg, &o); err != nil {
		panic(err)
	}
	o.ID = 8
	if msg, err = old.Append(nil, &o); err != nil {
		panic(err)
	}
	var got order
	fmt.Println(plan.Decode(msg, &got), got.ID, got.Total, got.Note)
	// Output: <nil> 8 12.5 <nil>
}

// An error says what is wrong, where, and in which field.
func ExampleCheckMessage() {
	ty := &binenc.Type{Kind: binenc.KindMessage, Fields: []binenc.Field{
		{Number: 1, Name: "Tags", Type: binenc.Type{Kind: binenc.KindList, Elem: &binenc.Type{Kind: binenc.KindString}}},
	}}
	err := binenc.CheckMessage([]byte("\x85\x01a\x02\xff\xfe"), ty)
	fmt.Println(err)
	fmt.Println(errors.Is(err, binenc.ErrUTF8))
	// Output:
	// binenc: offset 4: field 1 (Tags[1]): text is not UTF-8
	// true
}

// Keys of several parts, one of them descending, sort as their values do.
func ExampleAppendKeyDesc() {
	key := func(town string, score int64) []byte {
		k := binenc.AppendKeyString(nil, town)
		from := len(k)
		return binenc.AppendKeyDesc(binenc.AppendKeyInt(k, score), from)
	}
	a, b := key("Lyon", 3), key("Lyon", 20)
	fmt.Println(bytes.Compare(a, b)) // the higher score first

	r := binenc.NewKeyReader(b)
	fmt.Println(r.String(), r.Desc().Int(), r.Err())
	// Output:
	// 1
	// Lyon 20 <nil>
}

// What differs between two messages, and how it is applied.
func ExampleDiff() {
	message := func(name, note string) []byte {
		e := binenc.NewEncoder(nil)
		e.String(1, name)
		e.String(2, note)
		msg, err := e.Message()
		if err != nil {
			panic(err)
		}
		return msg
	}
	old, now := message("a", "x"), message("b", "")
	patch, cleared, err := binenc.Diff(old, now, nil)
	fmt.Printf("%x %v %v\n", patch, cleared, err)
	merged, err := binenc.Merge(nil, old, patch, cleared)
	fmt.Println(bytes.Equal(merged, now), err)
	// Output:
	// 8162 [2] <nil>
	// true <nil>
}

package jsonx_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
)

func ExampleUnmarshal() {
	var v struct {
		Ports []uint16 `json:"ports"`
	}
	fmt.Println(jsonx.Unmarshal([]byte(`{"ports":[80,70000]}`), &v))
	// Output: jsonx: line 1 column 14 (offset 13, "/ports/1"): number 70000 does not fit Go type uint16: value out of range
}

func ExampleValid() {
	fmt.Println(jsonx.Valid([]byte(`{"a":[1,2.5e3]}`)), jsonx.Valid([]byte(`{"a":01}`)), jsonx.Valid([]byte(`"\ud800"`)))
	// Output: true false false
}

// A stream of texts, one a line, each read as a whole.
func ExampleDecoder_Decode() {
	d := jsonx.NewDecoder(strings.NewReader("{\"n\":1}\n{\"n\":2}\n"))
	for {
		var v struct {
			N int `json:"n"`
		}
		err := d.Decode(&v)
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(v.N)
	}
	// Output:
	// 1
	// 2
}

// One large document: its long array is read element by element, the rest skipped.
func ExampleDecoder() {
	d := jsonx.NewDecoder(strings.NewReader(`{"meta":{"pages":9},"items":[{"id":1},{"id":2}]}`))
	if err := list(d); err != nil {
		fmt.Println(err)
	}
	// Output:
	// /items/0 {"id":1}
	// /items/1 {"id":2}
}

func list(d *jsonx.Decoder) error {
	if _, err := d.ReadToken(); err != nil { // {
		return err
	}
	for d.More() {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if name.String() != "items" {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if _, err := d.ReadToken(); err != nil { // [
			return err
		}
		for d.More() {
			item, err := d.ReadValue()
			if err != nil {
				return err
			}
			fmt.Printf("%s %s\n", d.Pointer(), item)
		}
		if _, err := d.ReadToken(); err != nil { // ]
			return err
		}
	}
	_, err := d.ReadToken() // }
	return err
}

func ExampleEncoder() {
	e := jsonx.NewEncoder(os.Stdout)
	err := errors.Join(
		e.BeginObject(),
		e.Name("count"), e.Int(2),
		e.Name("items"), e.BeginArray(), e.String("a"), e.Encode(map[string]bool{"b": true}), e.EndArray(),
		e.EndObject(),
	)
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"count":2,"items":["a",{"b":true}]}
}

func ExampleSyntaxError() {
	_, err := jsonx.Parse([]byte("{\n  \"a\": [1, 2,, 3]\n}"))
	if e, ok := errors.AsType[*jsonx.SyntaxError](err); ok {
		fmt.Println(e.Line, e.Column, e.Offset, e.Pointer, "expected", e.Expected)
	}
	_, err = jsonx.Parse([]byte(`{"a":`))
	fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))
	// Output:
	// 2 14 15 /a/2 expected value
	// true
}

func ExampleIndent() {
	out, err := jsonx.Indent(nil, []byte(`{"a":[1,{}],"b":[]}`), "", "  ")
	fmt.Println(string(out), err)
	// Output:
	// {
	//   "a": [
	//     1,
	//     {}
	//   ],
	//   "b": []
	// } <nil>
}

func ExampleValue_Pointer() {
	v, err := jsonx.Parse([]byte(`{"users":[{"name":"Ada"},{"name":"Alan"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := v.Pointer("/users/1/name")
	fmt.Println(x, err)
	_, err = v.Pointer("/users/2/name")
	fmt.Println(err)
	// Output:
	// "Alan" <nil>
	// jsonx: pointer "/users/2/name": nothing at "2"
}

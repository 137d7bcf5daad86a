package main

import (
	"fmt"
	"reflect"

	"github.com/lithair/lithair-go/binenc"
)

// binCodec answers "encode <ms>" and "decode <ms>" with binenc on one record.
type binCodec struct {
	plan *binenc.Plan
	text []byte
}

func newBinCodec() (*binCodec, error) {
	t := reflect.TypeFor[small]()
	name := func(f reflect.StructField) (string, bool) { return f.Name, true }
	ty, err := binenc.TypeOf(t, name)
	if err != nil {
		return nil, err
	}
	assignNumbers(&ty)
	c := &binCodec{}
	if c.plan, err = binenc.Compile(t, &ty, name); err != nil {
		return nil, err
	}
	v := newSmall()
	if c.text, err = c.plan.Append(nil, &v); err != nil {
		return nil, err
	}
	var back small
	if err := c.plan.Decode(c.text, &back); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(v, back) {
		return nil, fmt.Errorf("the record does not round-trip: %+v", back)
	}
	return c, nil
}

// assignNumbers gives each field of a type and of its parts the next free number.
func assignNumbers(t *binenc.Type) {
	if t == nil {
		return
	}
	for i := range t.Fields {
		t.Fields[i].Number = uint32(i + 1)
		assignNumbers(&t.Fields[i].Type)
	}
	assignNumbers(t.Elem)
	assignNumbers(t.Key)
}

func (c *binCodec) work(a []string) (figures, error) {
	if len(a) != 2 {
		return nil, fmt.Errorf("want encode|decode <ms>")
	}
	d, err := millis(a[1])
	if err != nil {
		return nil, err
	}
	var op func() error
	switch a[0] {
	case "encode":
		v, buf := newSmall(), make([]byte, 0, 1024)
		op = func() error { _, err := c.plan.Append(buf, &v); return err }
	case "decode":
		op = func() error { var v small; return c.plan.Decode(c.text, &v) }
	default:
		return nil, fmt.Errorf("no such op: %s", a[0])
	}
	m, err := measure(repeat(op), d)
	if err != nil {
		return nil, err
	}
	m["size"] = float64(len(c.text))
	return m, nil
}

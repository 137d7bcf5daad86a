package main

import (
	"fmt"
	"reflect"

	"github.com/lithair/lithair-go/binenc"
)

// binCodec answers "encode <ms>" and "decode <ms>" with binenc on one record.
type binCodec struct {
	plan *binenc.Plan
	v    small
	buf  []byte
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
	c := &binCodec{v: newSmall(), buf: make([]byte, 0, 1024)}
	if c.plan, err = binenc.Compile(t, &ty, name); err != nil {
		return nil, err
	}
	if c.text, err = c.plan.Append(nil, &c.v); err != nil {
		return nil, err
	}
	var back small
	if err := c.plan.Decode(c.text, &back); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(c.v, back) {
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
	op := c.encode
	switch a[0] {
	case "encode":
	case "decode":
		op = c.decode
	default:
		return nil, fmt.Errorf("no such op: %s", a[0])
	}
	m, err := measure(op, d)
	if err != nil {
		return nil, err
	}
	m["size"] = float64(len(c.text))
	return m, nil
}

// encode and decode do their work n times, in loops of their own: a call of a closure for each time would be a
// thirtieth of it.

func (c *binCodec) encode(n int) error {
	plan, buf, v := c.plan, c.buf, &c.v
	for range n {
		if _, err := plan.Append(buf, v); err != nil {
			return err
		}
	}
	return nil
}

func (c *binCodec) decode(n int) error {
	for range n {
		var v small
		if err := c.plan.Decode(c.text, &v); err != nil {
			return err
		}
	}
	return nil
}

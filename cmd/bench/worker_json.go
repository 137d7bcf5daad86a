package main

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/lithair/lithair-go/jsonx"
)

// jsonLoad is one payload: a text and the Go type it decodes into.
type jsonLoad struct {
	text []byte
	typ  reflect.Type
}

var jsonLoads = map[string]func() (jsonLoad, error){
	"small": func() (jsonLoad, error) {
		b, err := stdjson.Marshal(newSmall())
		return jsonLoad{b, reflect.TypeFor[small]()}, err
	},
	"twitter": corpusLoad[twitterFile]("twitter_status"),
	"citm":    corpusLoad[citmFile]("citm_catalog"),
	"canada":  corpusLoad[canadaFile]("canada_geometry"),
}

func corpusLoad[T any](name string) func() (jsonLoad, error) {
	return sync.OnceValues(func() (jsonLoad, error) {
		b, err := corpus(name)
		return jsonLoad{b, reflect.TypeFor[T]()}, err
	})
}

// jsonWork answers "<payload> <op> <ms>" with jsonx. Payloads: small, twitter, citm,
// canada. Ops: decode (into the struct), any (into an empty interface), encode (the
// struct), encodeany, valid. Each result is first held against encoding/json's.
func jsonWork(a []string) (figures, error) {
	if len(a) != 3 || jsonLoads[a[0]] == nil {
		return nil, fmt.Errorf("want <small|twitter|citm|canada> <op> <ms>")
	}
	l, err := jsonLoads[a[0]]()
	if err != nil {
		return nil, err
	}
	d, err := millis(a[2])
	if err != nil {
		return nil, err
	}
	op, size, err := l.op(a[1])
	if err != nil {
		return nil, err
	}
	m, err := measure(op, d)
	if err != nil {
		return nil, err
	}
	m["mbs"] = float64(size) / m["ns"] * 1e3
	return m, nil
}

func (l jsonLoad) op(name string) (op func(n int) error, size int, err error) {
	switch name {
	case "decode":
		return l.decode(func() any { return reflect.New(l.typ).Interface() })
	case "any":
		return l.decode(func() any { return new(any) })
	case "encode":
		return l.encode(reflect.New(l.typ).Interface())
	case "encodeany":
		return l.encode(new(any))
	case "valid":
		return repeat(func() error {
			if !jsonx.Valid(l.text) {
				return fmt.Errorf("jsonx calls the text invalid")
			}
			return nil
		}), len(l.text), nil
	}
	return nil, 0, fmt.Errorf("no such op: %s", name)
}

func (l jsonLoad) decode(fresh func() any) (func(n int) error, int, error) {
	want, got := fresh(), fresh()
	if err := stdjson.Unmarshal(l.text, want); err != nil {
		return nil, 0, err
	}
	if err := jsonx.Unmarshal(l.text, got); err != nil {
		return nil, 0, err
	}
	if !reflect.DeepEqual(want, got) {
		return nil, 0, fmt.Errorf("decoded value differs from encoding/json's")
	}
	return repeat(func() error { return jsonx.Unmarshal(l.text, fresh()) }), len(l.text), nil
}

func (l jsonLoad) encode(ptr any) (func(n int) error, int, error) {
	if err := stdjson.Unmarshal(l.text, ptr); err != nil {
		return nil, 0, err
	}
	v := ptr
	if p, ok := ptr.(*any); ok {
		v = *p
	}
	got, err := jsonx.Marshal(v)
	if err != nil {
		return nil, 0, err
	}
	want, err := stdjson.Marshal(v)
	if err != nil {
		return nil, 0, err
	}
	var x, y any
	if err := stdjson.Unmarshal(got, &x); err != nil {
		return nil, 0, err
	}
	if err := stdjson.Unmarshal(want, &y); err != nil {
		return nil, 0, err
	}
	if !reflect.DeepEqual(x, y) {
		return nil, 0, fmt.Errorf("encoded value differs from encoding/json's")
	}
	// MB/s counts compact bytes of the standard encoding, the same for everybody.
	var compact bytes.Buffer
	if err := stdjson.Compact(&compact, want); err != nil {
		return nil, 0, err
	}
	return repeat(func() error { _, err := jsonx.Marshal(v); return err }), compact.Len(), nil
}

func repeat(f func() error) func(n int) error {
	return func(n int) error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

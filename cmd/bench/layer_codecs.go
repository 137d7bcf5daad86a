package main

import (
	"bytes"
	"encoding/gob"
	stdjson "encoding/json"
	"flag"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// runJSON measures jsonx beside encoding/json.
func runJSON(args []string) error {
	fs := flag.NewFlagSet("bench json", flag.ExitOnError)
	var o options
	o.measuring(fs, 5, 0, 200*time.Millisecond)
	texts := fs.String("text", "small,twitter,citm,canada", "which texts")
	ops := fs.String("op", "decode,any,encode,valid", "what to do with them")
	parse(fs, args)
	return o.run(func(rep *report) error {
		return measureJSON(o, rep, strings.Split(*texts, ","), strings.Split(*ops, ","))
	})
}

func measureJSON(o options, rep *report, texts, ops []string) error {
	for _, text := range texts {
		load := jsonLoads[text]
		if load == nil {
			return fmt.Errorf("no such text: %s (small, twitter, citm, canada)", text)
		}
		l, err := load()
		if err != nil {
			return err
		}
		for _, name := range ops {
			ours, size, err := l.op(name)
			if err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
			theirs, err := l.standard(name)
			if err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
			if err := contest(o, rep, "json "+text+" "+name, "results are held against each other first", size, []contestant{{"encoding/json", theirs}, {"jsonx", ours}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// standard is an operation as encoding/json does it.
func (l jsonLoad) standard(name string) (func(n int) error, error) {
	switch name {
	case "decode":
		return repeat(func() error { return stdjson.Unmarshal(l.text, reflect.New(l.typ).Interface()) }), nil
	case "any":
		return repeat(func() error { return stdjson.Unmarshal(l.text, new(any)) }), nil
	case "encode":
		v := reflect.New(l.typ).Interface()
		err := stdjson.Unmarshal(l.text, v)
		return repeat(func() error { _, err := stdjson.Marshal(v); return err }), err
	case "valid":
		return repeat(func() error {
			if !stdjson.Valid(l.text) {
				return fmt.Errorf("encoding/json calls the text invalid")
			}
			return nil
		}), nil
	}
	return nil, fmt.Errorf("no such op: %s (decode, any, encode, valid)", name)
}

// runBin measures binenc beside encoding/gob and encoding/json.
func runBin(args []string) error {
	fs := flag.NewFlagSet("bench binenc", flag.ExitOnError)
	var o options
	o.measuring(fs, 7, 0, 200*time.Millisecond)
	parse(fs, args)
	return o.run(func(rep *report) error { return measureBin(o, rep) })
}

// measureBin gives gob a stream of its own, which carries the type once: alone, a gob record is some ten times dearer.
func measureBin(o options, rep *report) error {
	c, err := newBinCodec()
	if err != nil {
		return err
	}
	v := newSmall()
	text, err := stdjson.Marshal(v)
	if err != nil {
		return err
	}
	stream := gob.NewEncoder(io.Discard)
	err = contest(o, rep, "binenc encode", "a record of 400 bytes; gob in a stream", len(c.text), []contestant{
		{"encoding/gob", repeat(func() error { return stream.Encode(&v) })},
		{"encoding/json", repeat(func() error { _, err := stdjson.Marshal(&v); return err })},
		{"binenc", c.encode},
	})
	if err != nil {
		return err
	}
	gobs, err := newGobStream(v)
	if err != nil {
		return err
	}
	return contest(o, rep, "binenc decode", "a record of 400 bytes; gob in a stream", len(c.text), []contestant{
		{"encoding/gob", gobs.decode},
		{"encoding/json", repeat(func() error { var v small; return stdjson.Unmarshal(text, &v) })},
		{"binenc", c.decode},
	})
}

// gobStream decodes one record of a gob stream over and over.
type gobStream struct {
	rec []byte
	buf bytes.Buffer
	dec *gob.Decoder
}

func newGobStream(v small) (*gobStream, error) {
	s := &gobStream{}
	enc := gob.NewEncoder(&s.buf)
	if err := enc.Encode(&v); err != nil { // with the type
		return nil, err
	}
	n := s.buf.Len()
	if err := enc.Encode(&v); err != nil { // without
		return nil, err
	}
	s.rec = bytes.Clone(s.buf.Bytes()[n:])
	s.dec = gob.NewDecoder(&s.buf)
	for range 2 {
		var back small
		if err := s.dec.Decode(&back); err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(v, back) {
			return nil, fmt.Errorf("the record does not round-trip by gob")
		}
	}
	return s, nil
}

func (s *gobStream) decode(n int) error {
	for range n {
		s.buf.Write(s.rec)
		var v small
		if err := s.dec.Decode(&v); err != nil {
			return err
		}
	}
	return nil
}

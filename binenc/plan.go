package binenc

import (
	"fmt"
	"reflect"
)

// Plan turns values of one Go struct type into messages and back. It is compiled once
// and safe for concurrent use.
type Plan struct {
	typ, ptr  reflect.Type
	program   *program
	generated bool // the type has a Coder for this very message type
	plain     bool // neither that nor a field of type Unknown
}

// Coder is what generated code implements on a pointer to a struct. A plan calls it in
// place of walking over the struct, at the top and for messages inside, when its
// BinencType is equal to the type that the plan was asked for.
type Coder interface {
	// BinencType describes the messages that the methods below write and read. It is
	// called on a nil pointer; the result is not changed by anyone.
	BinencType() *Type
	// AppendBinenc appends the value's canonical message.
	AppendBinenc(dst []byte) ([]byte, error)
	// DecodeBinenc fills the value, which is zero, from a message that is checked in
	// full, and copies what it keeps. Offsets in its errors count from the start of msg.
	DecodeBinenc(msg []byte) error
}

// Compile prepares a plan for struct type t after the message type ty, whose fields are
// matched by the stable name that name gives; it may be the one given to [TypeOf]. ty
// may have fields the struct has not, but not the other way round.
func Compile(t reflect.Type, ty *Type, name func(reflect.StructField) (string, bool)) (*Plan, error) {
	if t.Kind() != reflect.Struct || ty.Kind != KindMessage {
		return nil, fmt.Errorf("binenc: a plan is made for a struct and a message, not for %s and %s", t, ty.Kind)
	}
	c := compiler{name: name}
	prog, err := c.program(t, ty, 0)
	if err != nil {
		return nil, err
	}
	generated := hasCoder(t, ty)
	return &Plan{t, reflect.PointerTo(t), prog, generated, !generated && prog.unknown == nil}, nil
}

// Append appends the message of *ptr to dst. Zero-valued fields are left out, nil
// pointers, slices and maps too. Errors wrap [ErrUTF8], [ErrRange], [ErrLimit] or what
// MarshalText returned. It allocates nothing but for dst, maps and types with a text
// form.
func (p *Plan) Append(dst []byte, ptr any) ([]byte, error) {
	base, ok := placeIn(ptr, p.ptr)
	if !ok {
		return nil, fmt.Errorf("binenc: want a *%s that is not nil, not %T", p.typ, ptr)
	}
	start := len(dst)
	var err error
	if p.plain { // encode without the call, which took a thirtieth of it
		var i int
		var last uint32
		if dst, i, last = p.program.encodeHot(dst, base, 0, 0); i == len(p.program.ops) && uint64(len(dst)-start) <= MaxLength {
			return dst, nil
		}
		dst, err = p.program.encodeKnown(dst, base, i, last)
	} else if p.generated {
		dst, err = ptr.(Coder).AppendBinenc(dst)
	} else {
		dst, err = p.program.encode(dst, base)
	}
	if err == nil {
		err = checkLength(len(dst) - start)
	}
	if err != nil {
		return nil, err
	}
	return dst, nil
}

// checkLength holds a whole message against MaxLength, and so all values inside it.
func checkLength(n int) error {
	if uint64(n) > MaxLength {
		return &Error{Offset: -1, Reason: fmt.Sprintf("a message of %d bytes is longer than MaxLength", n), Err: ErrLimit}
	}
	return nil
}

// Decode fills *ptr from a message and checks it in full, see [CheckMessage]. Fields that
// are absent get their zero value; after an error *ptr is zero as well. Nothing in *ptr
// aliases msg, but strings of up to 256 bytes may share a block of at most 1 KiB with
// others of the same message, which lives as long as one of them: clone what is to
// outlive its record by far. Unknown fields go into a field of type [Unknown], if there
// is one.
//
// Beyond that block, memory is proportional to msg; the factor is that of the type: an
// element of a list takes at least one byte of msg and its size in Go.
func (p *Plan) Decode(msg []byte, ptr any) error { return p.decode(msg, ptr, false) }

// DecodeAlias is Decode without copies of texts and bytes: they alias msg. *ptr is valid
// until msg changes, and keeps all of msg alive. Where the build has no unsafe code,
// texts are copied all the same.
func (p *Plan) DecodeAlias(msg []byte, ptr any) error { return p.decode(msg, ptr, true) }

func (p *Plan) decode(msg []byte, ptr any, alias bool) error {
	base, ok := placeIn(ptr, p.ptr)
	if !ok {
		return fmt.Errorf("binenc: want a *%s that is not nil, not %T", p.typ, ptr)
	}
	v := reflect.ValueOf(ptr).Elem()
	v.SetZero()
	err := checkLength(len(msg))
	switch {
	case err != nil:
	case p.generated:
		err = ptr.(Coder).DecodeBinenc(msg)
	default:
		d := decoding{msg: msg, alias: alias}
		err = d.message(p.program, base, 0, len(msg))
	}
	if err != nil {
		v.SetZero()
	}
	return err
}

package jsonx

import "reflect"

// encField is one member of a struct.
type encField struct {
	key, htmlKey string          // comma, quoted name and colon
	head         [headBytes]byte // key, if it is no longer
	path         path
	simple       bool // the member is always there and needs no more than head
	op           op
	enc          encFunc
	omit         func(p loc) bool // nil if the member is always there
}

// op names the kinds of fields that are written without a call of their plan.
type op uint8

const (
	opPlan op = iota
	opString
	opInt64
	opFloat64
	opBool
	opAny
	opPointer // to a value that takes its plan
)

// opOf returns opPlan for types with methods and for all that has no op.
func opOf(t reflect.Type) op {
	if t == anyType {
		return opAny
	}
	if t.Kind() == reflect.Pointer && t.Elem().Kind() != reflect.Pointer && t.Elem().Kind() != reflect.Interface {
		return opPointer
	}
	if hasMethod(t) || isNumber(t) {
		return opPlan
	}
	switch t.Kind() {
	case reflect.String:
		return opString
	case reflect.Int, reflect.Int64:
		if t.Size() == 8 {
			return opInt64
		}
	case reflect.Float64:
		return opFloat64
	case reflect.Bool:
		return opBool
	}
	return opPlan
}

// headBytes is up to how long a key is copied with a few moves.
const headBytes = 48

func (c encCompiler) structure(k encKey) encFunc {
	var fields []encField
	for _, f := range structFields(k.t) {
		x := encField{path: pathOf(k.t, f.index), omit: f.omitted()}
		hops := len(x.path.hops) > 0
		x.enc = c.of(f.typ, k.addressable || hops)
		if x.op = opOf(f.typ); f.quoted && !hasMethod(f.typ) {
			x.op, x.enc = opPlan, encQuoted(x.enc)
		} else if x.op == opPointer {
			x.enc = c.of(f.typ.Elem(), true)
		}
		x.key = "," + string(AppendString(nil, f.name)) + ":"
		x.htmlKey = string(appendForHTML(nil, []byte(x.key)))
		x.simple = !hops && x.omit == nil && len(x.key) <= headBytes
		copy(x.head[:], x.key)
		fields = append(fields, x)
	}
	plan := writer(k.t, fields)
	if enc := coded(k, plan); enc != nil {
		return enc
	}
	return plan
}

// writer returns how an object is written.
func writer(t reflect.Type, fields []encField) encFunc {
	return func(e *encodeState, b []byte, p loc) (_ []byte, err error) {
		if e.depth >= e.opt.maxDepth {
			return b, e.down(t)
		}
		e.depth++
		start := len(b)
		for i := range fields {
			f := &fields[i]
			q := p
			if n := len(b); f.simple && cap(b)-n >= headBytes && !e.opt.html {
				*(*[headBytes]byte)(b[n : n+headBytes]) = f.head
				b = b[:n+len(f.key)]
				q = f.path.field(p)
			} else {
				var here bool
				if b, q, here = f.begin(b, p, e.opt.html); !here {
					continue
				}
			}
			switch f.op {
			case opString:
				b, err = appendQuote(b, getString(q), e.opt.html)
			case opInt64:
				b = appendInt(b, getInt[int64](q))
			case opFloat64:
				b, err = appendFloat64(b, getFloat[float64](q))
			case opBool:
				b = appendBool(b, getBool(q))
			case opAny:
				b, err = e.value(b, getAny(q))
			case opPointer:
				var ok bool
				if q, ok = target(q); !ok {
					b = append(b, "null"...)
					continue
				}
				b, err = f.enc(e, b, q)
			default:
				b, err = f.enc(e, b, q)
			}
			if err != nil {
				return b, err
			}
		}
		e.depth--
		if len(b) == start {
			return append(b, "{}"...), nil
		}
		b[start] = '{' // for the first comma
		return append(b, '}'), nil
	}
}

// begin writes the key of a member that is there and finds its value.
func (f *encField) begin(b []byte, p loc, html bool) (_ []byte, q loc, here bool) {
	if q, here = f.path.follow(p, false); !here || f.omit != nil && f.omit(q) {
		return b, q, false
	}
	if html {
		return append(b, f.htmlKey...), q, true
	}
	return append(b, f.key...), q, true
}

// hasMethod reports whether t or what it points to decides by itself how it is written.
func hasMethod(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return methodEnc(encKey{t, true}) != nil
}

// encQuoted is the tag option string: the value's text inside a string.
func encQuoted(enc encFunc) encFunc {
	return func(e *encodeState, b []byte, p loc) ([]byte, error) {
		n := len(b)
		b, err := enc(e, append(b, '"'), p)
		if err != nil {
			return b, err
		}
		switch text := b[n+1:]; {
		case text[0] == '"':
			return appendQuote(b[:n], string(text), e.opt.html)
		case string(text) == "null":
			return append(b[:n], "null"...), nil
		}
		return append(b, '"'), nil
	}
}

type zeroer interface{ IsZero() bool }

var zeroerType = reflect.TypeFor[zeroer]()

// omitted returns when the member is left out, nil if never.
func (f *field) omitted() func(p loc) bool {
	switch {
	case f.omitEmpty && f.omitZero:
		empty, zero := isEmpty(f.typ), isZero(f.typ)
		return func(p loc) bool { return empty(p) || zero(p) }
	case f.omitEmpty:
		return isEmpty(f.typ)
	case f.omitZero:
		return isZero(f.typ)
	}
	return nil
}

// isEmpty is omitempty: false, 0, a nil pointer or interface, and what has a length of 0.
func isEmpty(t reflect.Type) func(p loc) bool {
	switch t.Kind() {
	case reflect.String:
		return func(p loc) bool { return getString(p) == "" }
	case reflect.Bool:
		return func(p loc) bool { return !getBool(p) }
	case reflect.Slice:
		return func(p loc) bool { _, n, _ := sliceAt(p); return n == 0 }
	case reflect.Pointer:
		return func(p loc) bool { _, ok := target(p); return !ok }
	case reflect.Array, reflect.Map:
		return func(p loc) bool { return valueAt(t, p).Len() == 0 }
	case reflect.Struct:
		return func(loc) bool { return false }
	}
	return func(p loc) bool { return valueAt(t, p).IsZero() }
}

// isZero is omitzero: the zero value, or what the type's method IsZero says.
func isZero(t reflect.Type) func(p loc) bool {
	switch {
	case t.Implements(zeroerType) && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface):
		return func(p loc) bool {
			v := valueAt(t, p)
			return v.IsNil() || v.Elem().Kind() == reflect.Pointer && v.Elem().IsNil() || v.Interface().(zeroer).IsZero()
		}
	case reflect.PointerTo(t).Implements(zeroerType):
		return func(p loc) bool { return valueAt(t, p).Addr().Interface().(zeroer).IsZero() }
	}
	return func(p loc) bool { return valueAt(t, p).IsZero() }
}

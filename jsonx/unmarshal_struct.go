package jsonx

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"reflect"
)

// structPlan is how a struct type is read.
type structPlan struct {
	typ     reflect.Type
	fields  []decField
	index   nameIndex
	longest int // of the names
}

// decField is one member. Its name is compared as it stands in most texts, without escapes and with its closing quote:
// the first eight bytes as one word, then the rest.
type decField struct {
	head, mask uint64
	rest       string // what comes after eight bytes of the name and the quote
	size       int    // of the name
	hops       bool   // the field is behind embedded pointers
	path       path
	dec        decFunc
	name       string
}

var errSealed = errors.New("embedded pointer to an unexported type is nil")

func (c decCompiler) structure(t reflect.Type) (dec decFunc, own bool) {
	fields := structFields(t)
	s := &structPlan{typ: t, fields: make([]decField, len(fields))}
	names := make([]string, len(fields))
	for i := range fields {
		f := &s.fields[i]
		names[i] = fields[i].name
		f.name, f.size, f.path = fields[i].name, len(fields[i].name), pathOf(t, fields[i].index)
		s.longest = max(s.longest, f.size)
		f.hops = len(f.path.hops) > 0
		f.head, f.mask, f.rest = nameWord(f.name)
		f.dec = c.of(fields[i].typ)
		if fields[i].quoted {
			f.dec = decQuoted(fields[i].typ, f.dec)
		}
		if fields[i].sealed {
			f.dec = decSealed(t, f.dec)
		}
		own = own || c.plan(fields[i].typ).own && fields[i].typ.Kind() != reflect.Pointer
	}
	s.index = indexNames(names)
	return s.reader(), own
}

// decSealed reads into an embedded pointer to an unexported type, if its owner has set it; null leaves it as it is.
func decSealed(t reflect.Type, dec decFunc) decFunc {
	return func(d *decodeState, i int, p loc) int {
		null := i < len(d.data) && d.data[i] == 'n'
		if _, set := target(p); set && !null {
			return dec(d, i, p)
		}
		end := d.pass(i)
		if end >= 0 && !null {
			return d.misfit(i, t, "member", errSealed)
		}
		return end
	}
}

// reader returns how an object is read. Members mostly come in the order of the fields, so that the next field is tried
// first; only if its name is not the one in the text is the text's name looked up.
func (s *structPlan) reader() decFunc {
	return func(d *decodeState, i int, p loc) int {
		b := d.data
		if i >= len(b) || b[i] != '{' {
			return d.other(i, s.typ)
		}
		if !d.down(i) {
			return failed
		}
		if i = afterSpace(b, i+1); i < len(b) && b[i] == '}' {
			d.depth--
			return i + 1
		}
		var few [4]uint64
		seen := few[:]
		if len(s.fields) > 64*len(few) {
			seen = make([]uint64, (len(s.fields)+63)/64)
		}
		strangers := false
		next, expected := 0, s.fields
		if s.longest > d.opt.maxString {
			expected = nil // lookup knows the limit
		}
		for n, more := 1, true; more; n++ {
			k, value := next, 0
			if n > d.opt.maxMembers {
				return d.bad(i, wantFewer)
			}
			if k < len(expected) {
				f := &expected[k]
				value = i + 2 + f.size
				if i < len(b)-8 && value <= len(b) && b[i] == '"' && load64(b, i+1)&f.mask == f.head && (f.rest == "" || string(b[i+9:value]) == f.rest) {
					goto known
				}
			}
			if k, value = d.lookup(s, i, &strangers); value < 0 {
				return failed
			}
			if k < 0 {
				if i = d.colon(value); i >= 0 {
					i = d.pass(i)
				}
				goto after
			}
		known:
			if seen[k>>6]&(1<<(k&63)) != 0 && !d.opt.dups {
				return d.bad(i, wantNewName)
			}
			seen[k>>6] |= 1 << (k & 63)
			next = k + 1
			{
				f := &s.fields[k]
				if value < len(b)-2 && b[value] == ':' && b[value+1] >= ' ' && b[value+2] > ' ' {
					if value++; b[value] == ' ' {
						value++
					}
				} else if value = d.colon(value); value < 0 {
					return failed
				}
				if !f.hops {
					i = f.dec(d, value, f.path.field(p))
				} else if q, ok := f.path.follow(p, true); ok {
					i = f.dec(d, value, q)
				} else {
					return d.misfit(i, s.typ, "member", errSealed)
				}
			}
		after:
			if i < 0 {
				return failed
			}
			if i < len(b)-1 && b[i] == ',' {
				if i++; b[i] <= ' ' {
					i = skipSpace(b, i)
				}
				continue
			}
			if i, more = d.nextElement(i, '}', wantMemberEnd); i < 0 {
				return failed
			}
		}
		if strangers {
			d.unknown.close()
		}
		return i
	}
}

// nameWord returns the first eight bytes of name and its closing quote, a mask of the bytes that count, and the rest.
func nameWord(name string) (head, mask uint64, rest string) {
	text := name + `"`
	if len(text) >= 8 {
		return binary.LittleEndian.Uint64([]byte(text)), 1<<64 - 1, text[8:]
	}
	var b [8]byte
	copy(b[:], text)
	return binary.LittleEndian.Uint64(b[:]), 1<<(8*len(text)) - 1, ""
}

// lookup reads the name at i and returns the number of its field, -1 for a stranger that may be passed over, and the
// offset after the name, or failed.
func (d *decodeState) lookup(s *structPlan, i int, strangers *bool) (field, end int) {
	if i >= len(d.data) || d.data[i] != '"' {
		return 0, d.bad(i, wantName)
	}
	name, end := d.charsAt(i)
	if end < 0 {
		return 0, failed
	}
	if k := s.index.find(name); k >= 0 {
		return k, end
	}
	if d.opt.unknown {
		d.err = d.stranger(i, s.typ, string(name))
		return 0, failed
	}
	if !*strangers {
		*strangers = true
		d.openNames()
	}
	if bad := d.unknown.name(name, true); bad != "" {
		return 0, d.bad(i, bad)
	}
	return -1, end
}

// openNames begins an object whose names are told apart by d.unknown, which holds them until it is closed.
func (d *decodeState) openNames() {
	d.unknown.dups, d.unknown.maxMembers, d.unknown.maxString = d.opt.dups, d.opt.maxMembers, d.opt.maxString
	d.unknown.open()
}

func (d *decodeState) stranger(i int, t reflect.Type, name string) error {
	err := d.mismatch(i, t, "member", nil).(*UnmarshalError)
	err.Unknown = name
	return err
}

// nameIndex finds the number of a name: open addressing in a table at most half full, by a hash of the length and the
// first and last eight bytes. The names are the program's, so nobody can choose them to collide.
type nameIndex struct {
	names []string
	table []int32 // 1 + number, 0 if free
	shift int
}

func indexNames(names []string) nameIndex {
	x := nameIndex{names: names, shift: 62}
	for 1<<(64-x.shift) < 2*len(names)+2 {
		x.shift--
	}
	x.table = make([]int32, 1<<(64-x.shift))
	for k, name := range names {
		h := x.slot([]byte(name))
		for x.table[h] != 0 {
			h = (h + 1) & (len(x.table) - 1)
		}
		x.table[h] = int32(k + 1)
	}
	return x
}

func (x *nameIndex) find(name []byte) int {
	for h := x.slot(name); ; h = (h + 1) & (len(x.table) - 1) {
		k := int(x.table[h]) - 1
		if k < 0 || x.names[k] == string(name) {
			return k
		}
	}
}

func (x *nameIndex) slot(name []byte) int { return int(hashName(name) >> x.shift) }

// hashName mixes length, first and last bytes of a name; it is quick and not made to withstand chosen names.
func hashName(name []byte) uint64 {
	n := len(name)
	h := uint64(n) * 0x9E3779B97F4A7C15
	if n >= 8 {
		h ^= load64(name, 0) ^ bits.RotateLeft64(load64(name, n-8), 23)
	} else {
		for _, c := range name {
			h = h<<8 ^ h>>56 ^ uint64(c)
		}
	}
	h ^= h >> 32
	return h * 0xD6E8FEB86659FD93
}

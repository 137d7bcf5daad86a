package jsonx

import (
	"reflect"
	"sort"
	"strings"
	"unicode"
)

// field is one member of a struct, as the tags say.
type field struct {
	name                        string
	key                         []byte // quoted name and colon
	index                       []int
	typ                         reflect.Type
	tagged                      bool
	omitEmpty, omitZero, quoted bool
	sealed                      bool // an embedded pointer to an unexported type, which only its owner may set
	enc                         encFunc
}

// structFields lists the members of t in declaration order after the rules of encoding/json: the shallowest field of a
// name wins, then a tagged one; otherwise none.
func structFields(t reflect.Type) []field {
	type level struct {
		t     reflect.Type
		index []int
	}
	var all []field
	next, seen := []level{{t: t}}, map[reflect.Type]bool{}
	for len(next) > 0 {
		now := next
		next = nil
		for _, l := range now {
			if seen[l.t] {
				continue
			}
			for i := range l.t.NumField() {
				f, inner, ok := oneField(l.t.Field(i))
				if !ok {
					continue
				}
				f.index = append(append([]int(nil), l.index...), i)
				if inner != nil {
					next = append(next, level{inner, f.index})
					continue
				}
				all = append(all, f)
			}
		}
		for _, l := range now {
			seen[l.t] = true
		}
	}
	return dominant(all)
}

// oneField reads one struct field; inner is set if its own fields are promoted.
func oneField(sf reflect.StructField) (f field, inner reflect.Type, ok bool) {
	base := sf.Type
	if base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	if !sf.IsExported() && !(sf.Anonymous && base.Kind() == reflect.Struct) {
		return f, nil, false
	}
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return f, nil, false
	}
	name, rest, _ := strings.Cut(tag, ",")
	if !validName(name) {
		name = ""
	}
	f = field{name: name, typ: sf.Type, tagged: name != "", sealed: !sf.IsExported() && sf.Type.Kind() == reflect.Pointer}
	for word := range strings.SplitSeq(rest, ",") {
		switch word {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			f.quoted = quotable(sf.Type)
		}
	}
	if name == "" {
		if sf.Anonymous && base.Kind() == reflect.Struct {
			return f, base, true
		}
		f.name = sf.Name
	}
	return f, nil, true
}

// quotable reports whether the tag option string counts: for scalars and, as for encoding/json, pointers to them whose
// types have no name.
func quotable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	k := t.Kind()
	return k == reflect.Bool || k >= reflect.Int && k <= reflect.Float64 || k == reflect.String
}

func validName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}

func dominant(all []field) []field {
	byName := map[string][]field{}
	for _, f := range all {
		byName[f.name] = append(byName[f.name], f)
	}
	var out []field
	for _, fs := range byName {
		sort.SliceStable(fs, func(i, j int) bool {
			if a, b := len(fs[i].index), len(fs[j].index); a != b {
				return a < b
			}
			return fs[i].tagged && !fs[j].tagged
		})
		if len(fs) > 1 && len(fs[0].index) == len(fs[1].index) && fs[0].tagged == fs[1].tagged {
			continue
		}
		out = append(out, fs[0])
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i].index, out[j].index
		for k := range a {
			if k >= len(b) || a[k] != b[k] {
				return k < len(b) && a[k] < b[k]
			}
		}
		return len(a) < len(b)
	})
	return out
}

package jsonx

// Value is one JSON value that keeps the order of members and the text of numbers.
type Value struct {
	Kind     Kind
	Truth    bool     // Bool
	Text     string   // String: its characters; Num: its text
	Elements []Value  // Array
	Members  []Member // Object, each name once
}

// Member is a name and its value.
type Member struct {
	Name  string
	Value Value
}

// Parse reads one JSON text.
func Parse(data []byte, opts ...Option) (Value, error) {
	p := parser{data: data, opt: collect(opts)}
	if err := p.size(); err != nil {
		return Value{}, err
	}
	v, err := p.value()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

func (p *parser) value() (v Value, err error) {
	switch p.space() {
	case '{':
		v.Kind = Object
		var names nameSet
		err = p.object(func(at int, raw []byte, simple bool) error {
			name, fresh := stringOf(raw, simple), names.add(raw, simple)
			if !fresh && !p.opt.dups {
				return p.fail(at, "a name not used before", ErrDuplicateName)
			}
			x, err := p.value()
			if fresh {
				v.Members = append(v.Members, Member{name, x})
			} else {
				v.Set(name, x)
			}
			return err
		})
	case '[':
		v.Kind = Array
		err = p.array(func(int) error {
			x, err := p.value()
			v.Elements = append(v.Elements, x)
			return err
		})
	case '"':
		v.Kind = String
		v.Text, err = p.text()
	case 't', 'f':
		v = Value{Kind: Bool, Truth: p.data[p.pos] == 't'}
		err = p.skip()
	case 'n':
		err = p.skip()
	default:
		var raw []byte
		raw, err = p.rawValue()
		v = Value{Kind: Num, Text: string(raw)}
	}
	return v, err
}

// Get returns the member of an object, and whether there is one.
func (v *Value) Get(name string) (*Value, bool) {
	for i := range v.Members {
		if v.Members[i].Name == name {
			return &v.Members[i].Value, true
		}
	}
	return nil, false
}

// Set replaces the member of that name or adds it at the end.
func (v *Value) Set(name string, x Value) {
	if old, ok := v.Get(name); ok {
		*old = x
		return
	}
	v.Kind, v.Members = Object, append(v.Members, Member{name, x})
}

// Delete removes the member of that name, if there.
func (v *Value) Delete(name string) {
	for i := range v.Members {
		if v.Members[i].Name == name {
			v.Members = append(v.Members[:i], v.Members[i+1:]...)
			return
		}
	}
}

// AppendJSON appends the value as compact JSON.
func (v Value) AppendJSON(dst []byte) (_ []byte, err error) {
	switch v.Kind {
	case Bool:
		if v.Truth {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case Num:
		return append(dst, v.Text...), nil
	case String:
		return AppendQuote(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i, x := range v.Elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = x.AppendJSON(dst); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case Object:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = AppendQuote(dst, m.Name); err != nil {
				return dst, err
			}
			if dst, err = m.Value.AppendJSON(append(dst, ':')); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return append(dst, "null"...), nil
}

// UnmarshalJSON reads data into v.
func (v *Value) UnmarshalJSON(data []byte) (err error) {
	*v, err = Parse(data)
	return err
}

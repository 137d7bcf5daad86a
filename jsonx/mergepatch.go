package jsonx

// MergePatch appends target changed by patch (RFC 7396): null removes a member, an object is merged, all else replaces.
// On an error, in either text, dst comes back as it was.
func MergePatch(dst, target, patch []byte) ([]byte, error) {
	t, err := Parse(target)
	if err != nil {
		return dst, err
	}
	p, err := Parse(patch)
	if err != nil {
		return dst, err
	}
	out, err := merge(t, p).AppendJSON(dst)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func merge(t, p Value) Value {
	if p.Kind != Object {
		return p
	}
	if t.Kind != Object {
		t = Value{Kind: Object}
	}
	at := make(map[string]int, len(t.Members))
	for i, m := range t.Members {
		at[m.Name] = i
	}
	gone := make(map[string]bool)
	for _, m := range p.Members {
		i, ok := at[m.Name]
		switch {
		case m.Value.Kind == Null:
			gone[m.Name] = ok
		case ok:
			t.Members[i].Value = merge(t.Members[i].Value, m.Value)
		default:
			t.Members = append(t.Members, Member{m.Name, merge(Value{}, m.Value)})
		}
	}
	kept := t.Members[:0]
	for _, m := range t.Members {
		if !gone[m.Name] {
			kept = append(kept, m)
		}
	}
	t.Members = kept
	return t
}

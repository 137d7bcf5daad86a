package jsonx

// MergePatch appends target changed by patch (RFC 7396): null removes a member, an object is merged, all else replaces.
// The options are those of Parse, for both texts. On an error, in either text, dst comes back as it was.
func MergePatch(dst, target, patch []byte, opts ...Option) ([]byte, error) {
	t, err := Parse(target, opts...)
	if err != nil {
		return dst, err
	}
	p, err := Parse(patch, opts...)
	if err != nil {
		return dst, err
	}
	t.Merge(p)
	return t.AppendJSON(dst)
}

// Merge changes v by a merge patch (RFC 7396 §2), of which it keeps parts.
func (v *Value) Merge(patch Value) {
	if patch.Kind() != Object {
		*v = patch
		return
	}
	if v.Kind() != Object {
		*v = MakeObject()
	}
	for name, x := range patch.Members() {
		if x.Kind() == Null {
			v.Delete(name)
			continue
		}
		var merged Value
		if old, ok := v.Get(name); ok {
			merged = *old
		}
		merged.Merge(*x)
		v.Set(name, merged)
	}
}

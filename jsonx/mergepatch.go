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
	t.merge(p)
	return t.AppendJSON(dst)
}

// Merge changes v by a merge patch (RFC 7396 §2). It keeps no part of the patch, which may thus be v, or hold it. It
// panics when the patch contains itself.
func (v *Value) Merge(patch Value) { v.merge(patch.Clone()) }

// merge keeps parts of the patch.
func (v *Value) merge(patch Value) {
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
		merged.merge(*x)
		v.Set(name, merged)
	}
}

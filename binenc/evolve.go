package binenc

import "fmt"

// EvolveError is a change of a message type that would give old messages another
// meaning or none.
type EvolveError struct {
	Path     string // of the field, by its new names
	Number   uint32 // of the field; 0 for an element or key
	Old, New string // the types
}

// Error names the field and both types.
func (e *EvolveError) Error() string {
	return fmt.Sprintf("binenc: field %d (%s) was %s and is now %s: messages written before would be misread", e.Number, e.Path, e.Old, e.New)
}

// Evolve says whether messages of type old are messages of type now, so that code may
// go from one to the other and back, with messages of both in one log:
//
//   - fields may be added, under numbers never used before;
//   - fields may be dropped; their numbers are not used again, see SPEC.md;
//   - fields may be renamed and put in another order, since numbers say which they are;
//   - a Go integer may become wider or narrower: the kind stays, and a value that does
//     not fit is an error when it is read;
//   - an enum may get new values.
//
// A field's kind and whether it is optional stay, and so do those of its elements and
// keys, and of the fields of messages inside. The error is an *[EvolveError].
func Evolve(old, now *Type) error { return evolve(old, now, "", 0) }

func evolve(old, now *Type, path string, number uint32) error {
	if old.Kind != now.Kind || old.Optional != now.Optional {
		return &EvolveError{Path: path, Number: number, Old: old.String(), New: now.String()}
	}
	switch now.Kind {
	case KindList:
		return evolve(old.Elem, now.Elem, path+"[]", 0)
	case KindMap:
		if err := evolve(old.Key, now.Key, path+"{key}", 0); err != nil {
			return err
		}
		return evolve(old.Elem, now.Elem, path+"{}", 0)
	}
	for i := range now.Fields {
		f := &now.Fields[i]
		was := old.byNumber(f.Number)
		if was == nil {
			continue
		}
		at := f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		if err := evolve(&was.Type, &f.Type, at, f.Number); err != nil {
			return err
		}
	}
	return nil
}

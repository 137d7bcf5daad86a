package jsonx

// nameSet finds repeated names: a few by looking, many by a (seeded) map.
type nameSet struct {
	few  [][]byte
	many map[string]struct{}
}

// add takes a name as it stands in the text and says whether it is new.
func (s *nameSet) add(raw []byte, simple bool) bool {
	if !simple {
		raw = unescape(nil, raw)
	}
	if s.many != nil {
		n := len(s.many)
		s.many[string(raw)] = struct{}{}
		return len(s.many) > n
	}
	for _, x := range s.few {
		if string(x) == string(raw) {
			return false
		}
	}
	if s.few = append(s.few, raw); len(s.few) > 16 {
		s.many = make(map[string]struct{}, 32)
		for _, x := range s.few {
			s.many[string(x)] = struct{}{}
		}
	}
	return true
}

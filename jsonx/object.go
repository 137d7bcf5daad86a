package jsonx

// indexedObject is from how many members on an object finds them by a map.
const indexedObject = 16

// object holds members in order. A deleted one leaves a gap, so that deleting many costs no more than their number;
// gaps are closed when they are as many as the members. The map, of Go's own with its seeded hash, has the position
// of each name once there are indexedObject places.
type object struct {
	members []Member // each name once, gaps aside
	gaps    int
	index   map[string]int
}

// gap is the text of a deleted member; no JSON text looks like it.
const gap = "\x00"

func gone(m *Member) bool { return m.Value.text == gap }

// newObject takes a copy of members; of one name the last counts, at the place of the first.
func newObject(members []Member) *object {
	o := &object{members: make([]Member, 0, len(members))}
	if len(members) >= indexedObject {
		o.index = make(map[string]int, len(members))
	}
	for _, m := range members {
		o.set(m.Name, m.Value)
	}
	return o
}

func (o *object) len() int { return len(o.members) - o.gaps }

func (o *object) find(name string) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].Name == name && !gone(&o.members[i]) {
			return i
		}
	}
	return -1
}

func (o *object) set(name string, x Value) {
	if i := o.find(name); i >= 0 {
		o.members[i].Value = x
		return
	}
	o.members = append(o.members, Member{name, x})
	if o.index != nil {
		o.index[name] = len(o.members) - 1
	} else if len(o.members) >= indexedObject {
		o.reindex()
	}
}

func (o *object) reindex() {
	o.index = make(map[string]int, len(o.members))
	for i := range o.members {
		if !gone(&o.members[i]) {
			o.index[o.members[i].Name] = i
		}
	}
}

func (o *object) delete(name string) bool {
	i := o.find(name)
	if i < 0 {
		return false
	}
	delete(o.index, name)
	o.members[i] = Member{Value: Value{text: gap}}
	if o.gaps++; o.gaps > 8 && o.gaps > len(o.members)/2 {
		o.close()
	}
	return true
}

// close moves the members together.
func (o *object) close() {
	kept := o.members[:0]
	for i := range o.members {
		if !gone(&o.members[i]) {
			kept = append(kept, o.members[i])
		}
	}
	clear(o.members[len(kept):])
	o.members, o.gaps = kept, 0
	if o.index != nil {
		o.reindex()
	}
}

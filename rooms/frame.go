package rooms

import (
	"strconv"

	"github.com/lithair/lithair-go/jsonx"
)

// Frames are what clients get, see SPEC.md. Each is built once for all who get it.

// text appends a name and a text.
func text(b []byte, name, v string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return jsonx.AppendString(b, v)
}

// number appends a name and a number.
func number(b []byte, name string, v uint64) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendUint(b, v, 10)
}

// raw appends a name and JSON, where there is some.
func raw(b []byte, name string, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	return append(b, v...)
}

// op begins a frame about a room.
func op(name, room string) []byte {
	b := append(make([]byte, 0, 160), `{"op":"`...)
	b = append(append(b, name...), '"')
	if room != "" {
		b = text(b, "room", room)
	}
	return b
}

// String is how clients see an order; they compare it, nothing more.
func (o Order) String() string {
	return strconv.FormatUint(o.Term, 10) + "-" + strconv.FormatUint(uint64(o.Node), 10)
}

// connText is how clients see a connection.
func connText(node NodeID, c ConnID) string {
	return strconv.FormatUint(uint64(node), 10) + "-" + strconv.FormatUint(uint64(c), 36)
}

// appendFields appends what clients see of an item.
func (x *Item) appendFields(b []byte) []byte {
	if x.N > 0 {
		b = number(text(b, "epoch", x.Order.String()), "n", x.N)
	}
	if x.User != "" {
		b = text(b, "from", x.User)
	}
	if x.Conn != 0 {
		b = text(b, "conn", connText(x.Origin, x.Conn))
	}
	return raw(number(b, "at", uint64(x.Time/1e6)), "data", x.Data)
}

func messageFrame(kind, room string, x *Item) []byte {
	return append(x.appendFields(op(kind, room)), '}')
}

// okFrame answers a request of a client.
func okFrame(ref string, x *Item) []byte {
	b := raw(op("ok", ""), "ref", []byte(ref))
	if x != nil && x.N > 0 {
		b = number(text(b, "epoch", x.Order.String()), "n", x.N)
	}
	return append(b, '}')
}

// ErrorFrame is what a client gets for a request that failed.
func ErrorFrame(ref, room string, e *Error) []byte {
	b := raw(op("error", room), "id", []byte(ref))
	return append(text(text(b, "code", e.Code), "detail", e.Detail), '}')
}

// epochFrame tells members that another owner numbers their room's items.
func epochFrame(room string, o Order, n uint64) []byte {
	return append(number(text(op("epoch", room), "epoch", o.String()), "n", n), '}')
}

// joinedFrame answers a join: the room's position, what it has of the past, and who is there.
func (c *Core) joinedFrame(r *room, m *member) []byte {
	b := raw(op("joined", r.name), "ref", []byte(m.ref))
	b = number(text(b, "epoch", r.order.String()), "n", r.n)
	b = text(b, "conn", connText(c.self, m.conn.id))
	b = append(b, `,"history":[`...)
	for i := range r.ring {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		at := len(b)
		b = r.ring[i].appendFields(b)
		b = append(b[:at], b[at+1:]...) // the comma in front
		b = append(b, '}')
	}
	b = append(b, ']')
	if r.opts.Presence {
		users, more := c.List(r.name, "", firstPage)
		b = appendUsers(append(b, `,"users":`...), users)
		if more {
			b = append(b, `,"more":true`...)
		}
	}
	return append(b, '}')
}

func appendUsers(b []byte, users []User) []byte {
	b = append(b, '[')
	for i := range users {
		if i > 0 {
			b = append(b, ',')
		}
		b = users[i].AppendJSON(b)
	}
	return append(b, ']')
}

// AppendJSON appends the user with its connections.
func (u *User) AppendJSON(b []byte) []byte {
	b = append(b, `{"user":`...)
	b = jsonx.AppendString(b, u.User)
	b = append(b, `,"conns":[`...)
	for i, d := range u.Conns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"conn":`...)
		b = jsonx.AppendString(b, connText(d.Node, d.Conn))
		b = raw(number(b, "since", uint64(d.Since/1e6)), "meta", d.Meta)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// presenceFrame tells members who came, changed and went.
func presenceFrame(room string, enter, update []User, leave []string) []byte {
	b := op("presence", room)
	if len(enter) > 0 {
		b = appendUsers(append(b, `,"enter":`...), enter)
	}
	if len(update) > 0 {
		b = appendUsers(append(b, `,"update":`...), update)
	}
	if len(leave) > 0 {
		b = append(b, `,"leave":[`...)
		for i, u := range leave {
			if i > 0 {
				b = append(b, ',')
			}
			b = jsonx.AppendString(b, u)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

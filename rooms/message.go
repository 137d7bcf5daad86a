package rooms

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lithair/lithair-go/binenc"
)

// NodeID is a node of the cluster; never 0.
type NodeID uint64

// ConnID is a connection of one node. A node never gives one out twice, whatever became of the first.
type ConnID uint64

// Order says whose numbering an item has: a room's owner begins one when it takes the room
// over, with a Term above all that it knows of. The zero Order is none.
type Order struct {
	Term uint64
	Node NodeID
}

// less orders Orders: by terms, then by nodes.
func (o Order) less(p Order) bool { return o.Term < p.Term || o.Term == p.Term && o.Node < p.Node }

// Item is a message in a room.
type Item struct {
	N      uint64 // its number in the room
	Order  Order  // who gave the number
	Origin NodeID // where it was sent
	Epoch  uint64 // of Origin
	Number uint64 // Origin's own: the next one in the room is greater by one
	User   string // who sent it; empty for the application
	Conn   ConnID // by which connection; 0 for the application
	Time   int64  // when it was ordered, Unix ns, by the owner's clock
	Data   []byte // JSON
}

// Seen is the newest item of an origin that somebody has of a room. What an origin sends is ordered
// in its order, so nothing that is no newer is missing.
type Seen struct {
	Origin NodeID
	Epoch  uint64
	Number uint64
}

// has says whether it covers an item of its origin.
func (s *Seen) has(epoch, number uint64) bool {
	return s.Epoch > epoch || s.Epoch == epoch && s.Number >= number
}

// Entry says that a user is in a room by a connection.
type Entry struct {
	Room  string
	Conn  ConnID
	User  string
	Since int64  // Unix ns
	Meta  []byte // JSON; empty: none
	Gone  bool   // in a delta: not any more
}

// Kind is what a message between nodes is.
type Kind uint8

// Kinds of messages between nodes.
const (
	KindBeat     Kind = iota + 1 // I am there
	KindStale                    // your epoch is old: I know Number
	KindResync                   // I missed something of yours, or forgot you: all again
	KindFull                     // Entries are all that I have
	KindDelta                    // Entries have changed
	KindAttach                   // I have members of Room: Items, up to N, are what I have of it
	KindAttached                 // you get its items from here on; Items are what you lack
	KindRefuse                   // I do not own Room, as far as I can see
	KindDetach                   // no more items of Room for me
	KindPublish                  // order Items[0]
	KindDeliver                  // Items[0] is next in Room
	KindDirect                   // Items[0] is for the connections of To in Room
)

// Message is what nodes tell each other. It does not change once it is sent.
type Message struct {
	Kind    Kind
	Epoch   uint64 // of the sender: another, greater one after each start
	Link    uint64 // the how-manieth message of the sender to the receiver
	Room    string
	To      string // direct: a user
	Ask     uint64 // attach, and its answers
	Number  uint64 // stale: an epoch; attach: the first publish that has no answer; attached: the last one taken
	Order   Order
	N       uint64
	Items   []Item
	Seen    []Seen // attach, attached: what the sender has, in Items or not any more
	Entries []Entry
}

// Limits of what other nodes may say.
const (
	MaxMessageBytes = 64 << 20 // of one message between nodes
	MaxRoomBytes    = 200      // of a room's name
	MaxUserBytes    = 256      // of a user's
)

// maxStateBytes of entries are in one message, and of items in a room's history, unless one alone is larger: whatever the
// options say, that is far from MaxMessageBytes.
const maxStateBytes = 8 << 20

// size is at least what the encoding takes.
func (x *Item) size() int  { return 128 + len(x.User) + len(x.Data) }
func (e *Entry) size() int { return 64 + len(e.Room) + len(e.User) + len(e.Meta) }

// fitting returns how many of the first entries are for one message.
func fitting(list []Entry) int {
	n, bytes := 0, 0
	for n < min(len(list), maxEntries) {
		if bytes += list[n].size(); bytes > maxStateBytes && n > 0 {
			break
		}
		n++
	}
	return n
}

// ErrMessage: bytes of another node that are no message.
var ErrMessage = errors.New("rooms: not a message between nodes")

// AppendMessage appends a message's bytes: version 1, then its fields in order of their
// declaration, numbers as varints, texts with their length in front.
func AppendMessage(b []byte, m *Message) []byte {
	b = append(b, 1, byte(m.Kind))
	for _, v := range []uint64{m.Epoch, m.Link, m.Ask, m.Number, m.Order.Term, uint64(m.Order.Node), m.N} {
		b = binenc.AppendUvarint(b, v)
	}
	b = binenc.AppendString(b, m.Room)
	b = binenc.AppendString(b, m.To)
	b = binenc.AppendUvarint(b, uint64(len(m.Items)))
	for i := range m.Items {
		b = appendItem(b, &m.Items[i])
	}
	b = binenc.AppendUvarint(b, uint64(len(m.Seen)))
	for _, x := range m.Seen {
		b = binenc.AppendUvarint(binenc.AppendUvarint(binenc.AppendUvarint(b, uint64(x.Origin)), x.Epoch), x.Number)
	}
	b = binenc.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = appendEntry(b, &m.Entries[i])
	}
	return b
}

func appendItem(b []byte, x *Item) []byte {
	for _, v := range []uint64{x.N, x.Order.Term, uint64(x.Order.Node), uint64(x.Origin), x.Epoch, x.Number, uint64(x.Conn)} {
		b = binenc.AppendUvarint(b, v)
	}
	b = binenc.AppendVarint(b, x.Time)
	b = binenc.AppendString(b, x.User)
	return binenc.AppendBytes(b, x.Data)
}

func appendEntry(b []byte, e *Entry) []byte {
	gone := uint64(0)
	if e.Gone {
		gone = 1
	}
	b = binenc.AppendUvarint(b, uint64(e.Conn))
	b = binenc.AppendUvarint(b, gone)
	b = binenc.AppendVarint(b, e.Since)
	b = binenc.AppendString(b, e.Room)
	b = binenc.AppendString(b, e.User)
	return binenc.AppendBytes(b, e.Meta)
}

// The fewest bytes that an item, an entry and an origin take: what a count claims is held against them.
const (
	leastItemBytes  = 10
	leastEntryBytes = 6
	leastSeenBytes  = 3
)

// DecodeMessage reads what AppendMessage wrote. The message holds nothing of b.
//
// Errors: ErrMessage.
func DecodeMessage(b []byte) (*Message, error) {
	if len(b) < 2 || b[0] != 1 || b[1] == 0 || Kind(b[1]) > KindDirect {
		return nil, fmt.Errorf("%w: unknown version or kind", ErrMessage)
	}
	r := binenc.NewReader(b[2:])
	m := &Message{Kind: Kind(b[1]), Epoch: r.Uvarint(), Link: r.Uvarint(), Ask: r.Uvarint(), Number: r.Uvarint()}
	m.Order, m.N = Order{r.Uvarint(), NodeID(r.Uvarint())}, r.Uvarint()
	m.Room, m.To = r.String(), r.String()
	n := r.Uvarint()
	if n > uint64(r.Len())/leastItemBytes {
		return nil, fmt.Errorf("%w: more items than bytes", ErrMessage)
	}
	for range n {
		m.Items = append(m.Items, readItem(&r))
	}
	if n = r.Uvarint(); n > uint64(r.Len())/leastSeenBytes {
		return nil, fmt.Errorf("%w: more origins than bytes", ErrMessage)
	}
	for range n {
		m.Seen = append(m.Seen, Seen{NodeID(r.Uvarint()), r.Uvarint(), r.Uvarint()})
	}
	if n = r.Uvarint(); n > uint64(r.Len())/leastEntryBytes {
		return nil, fmt.Errorf("%w: more entries than bytes", ErrMessage)
	}
	for range n {
		m.Entries = append(m.Entries, readEntry(&r))
	}
	if r.Err() != nil || r.Len() != 0 {
		return nil, fmt.Errorf("%w: it ends too early or too late", ErrMessage)
	}
	if len(m.Room) > MaxRoomBytes || len(m.To) > MaxUserBytes || slices.ContainsFunc(m.Entries, func(e Entry) bool { return len(e.Room) > MaxRoomBytes || len(e.User) > MaxUserBytes }) {
		return nil, fmt.Errorf("%w: a name is too long", ErrMessage)
	}
	if (m.Kind == KindPublish || m.Kind == KindDeliver || m.Kind == KindDirect) && len(m.Items) != 1 {
		return nil, fmt.Errorf("%w: it needs one item", ErrMessage)
	}
	return m, nil
}

func readItem(r *binenc.Reader) Item {
	x := Item{N: r.Uvarint(), Order: Order{r.Uvarint(), NodeID(r.Uvarint())}, Origin: NodeID(r.Uvarint()), Epoch: r.Uvarint(), Number: r.Uvarint(), Conn: ConnID(r.Uvarint())}
	x.Time, x.User, x.Data = r.Varint(), r.String(), []byte(r.String())
	return x
}

func readEntry(r *binenc.Reader) Entry {
	e := Entry{Conn: ConnID(r.Uvarint()), Gone: r.Uvarint() == 1, Since: r.Varint()}
	e.Room, e.User, e.Meta = r.String(), r.String(), []byte(r.String())
	return e
}

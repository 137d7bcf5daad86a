package ws

// Opcode says what a frame is (RFC 6455 §5.2).
type Opcode byte

// The opcodes of messages.
const (
	Text   Opcode = 0x1 // UTF-8
	Binary Opcode = 0x2
)

// The other opcodes, which this package handles by itself.
const (
	opContinuation Opcode = 0x0
	opClose        Opcode = 0x8
	opPing         Opcode = 0x9
	opPong         Opcode = 0xA
)

// String returns the name that RFC 6455 gives the opcode.
func (o Opcode) String() string {
	switch o {
	case opContinuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case opClose:
		return "close"
	case opPing:
		return "ping"
	case opPong:
		return "pong"
	}
	return "reserved opcode"
}

// control says that frames of this opcode stand between the fragments of messages.
func (o Opcode) control() bool { return o >= opClose }

// message says that the opcode begins a message.
func (o Opcode) message() bool { return o == Text || o == Binary }

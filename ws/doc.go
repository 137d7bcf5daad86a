// Package ws speaks WebSocket (RFC 6455) with compression (RFC 7692), as a server on
// package wire and as a client.
//
//	s, err := ws.NewServer(ws.Config{})
//	router.Handle("GET /ws", s.Handler(&ws.Handler{
//		Message: func(c *ws.Conn, op ws.Opcode, data []byte) error {
//			return c.Write(context.Background(), op, data)
//		},
//	}))
//
// Or, in a goroutine for each connection, with [Server.Func]:
//
//	for {
//		op, data, err := c.Read(ctx)
//		if err != nil {
//			return // a *ws.CloseError where the other side closed the connection
//		}
//		...
//	}
//
// [Dial] gives a client the same [Conn].
//
// # Sending
//
// [Conn.Write] waits for a slow receiver, [Conn.Send] never waits and has a bounded queue.
// [Prepare] frames and compresses a message once for any number of connections.
// [Conn.Writer] sends a message in fragments.
//
// # Memory
//
// A connection on which nothing comes holds no buffer, no inflater and no deflater. One
// with a [Handler] holds no goroutine either, from its beginning on, where it is a TCP or
// Unix socket of a server on Linux. Only Compression.Takeover keeps something between messages.
//
// # Strictness
//
// What breaks the protocol closes the connection with 1002, text that is not UTF-8 and
// compressed data that is corrupt with 1007 at the first byte that shows it, messages over
// Limits.MaxMessageBytes with 1009 before memory is taken for them. A message that claims
// to be compressed and has no payload at all is taken for an empty one.
//
// # Reading the source
//
// The core is pure: header.go, mask.go, utf8.go, closecode.go, message.go (the state
// machine), handshake.go, huffman.go, inflate.go, deflate.go. Around it: receive.go, read.go
// and events.go receive, outbox.go, send.go, writer.go and prepared.go send, conn.go and
// clock.go keep a connection's life, server.go and dial.go begin it.
//
// # Not here
//
// WebSocket over HTTP/2 (RFC 8441), and extensions besides permessage-deflate.
package ws

package main

import (
	"context"

	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// echoHandler returns each message as it came, compressed where the client agrees to it. One that
// begins with B goes to all connections instead when broadcasts is set. Pages of any origin may connect.
func echoHandler(broadcasts bool) (wire.Handler, error) {
	s, err := ws.NewServer(ws.Config{Origins: []string{"*"}, Limits: ws.Limits{MaxMessageBytes: maxBody}})
	if err != nil {
		return nil, err
	}
	return s.Handler(&ws.Handler{Message: func(c *ws.Conn, op ws.Opcode, data []byte) error {
		if !broadcasts || len(data) == 0 || data[0] != 'B' {
			return c.Write(context.Background(), op, data)
		}
		p, err := ws.Prepare(op, data)
		if err != nil {
			return err
		}
		for _, to := range s.Conns() {
			if err := to.WritePrepared(context.Background(), p); err != nil && to == c {
				return err // another that is gone hears of it by itself
			}
		}
		return nil
	}}), nil
}

package live

import "github.com/lithair/lithair-go/ws"

// SetSpare sets how many records are held behind those that are seen.
func (q *Query) SetSpare(n int) { q.spare = n }

// OpenWithout takes a connection in that has no socket: what is queued for it is taken by
// TakeQueued.
func (s *Server) OpenWithout(p Principal) (*Conn, error) { return s.open(p, JSON, nil, "test") }

// Say handles a message as if it had come.
func (c *Conn) Say(data []byte) error { return c.message(ws.Text, data) }

// Woken returns a channel that something comes from when something is queued.
func (c *Conn) Woken() <-chan struct{} { return c.wake }

// TakeQueued returns what is queued, as if it had been sent.
func (c *Conn) TakeQueued() (data [][]byte) {
	list := c.take()
	for _, q := range list {
		data = append(data, q.frame.Data)
	}
	c.sent(list)
	return data
}

// Quit ends the connection.
func (c *Conn) Quit() { c.close() }

// SetPrincipal renews whom the connection is for.
func (c *Conn) SetPrincipal(p Principal) { c.setPrincipal(p) }

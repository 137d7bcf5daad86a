package soak

import (
	"net"
	"strings"
	"time"
)

const slowEach = 8 // connections of each kind and node

// slowClients are connections that ask for much and read little of it, every other one, or nothing: nobody else must wait
// for what they are answered, and it must end with them. They last for d.
func (r *run) slowClients(d time.Duration) {
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close() // the node may have closed it
		}
	}()
	for _, n := range r.f.Nodes {
		addr := strings.TrimPrefix(n.URL, "http://")
		for _, say := range []string{
			strings.Repeat("GET /api/notes?take=1000 HTTP/1.1\r\nHost: soak\r\n\r\n", 100), // never read
			"POST /api/notes HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
			"GET /api/notes HTTP/1.1\r\nHost: so", // never ended
			upgrade + textFrame(`{"op":"sub","id":1,"model":"Note","query":"take=1000"}`) + textFrame(`{"op":"join","room":"`+roomName+`"}`),
			"GET /api/notes/live?take=1000 HTTP/1.1\r\nHost: soak\r\nAccept: text/event-stream\r\n\r\n",
		} {
			for range slowEach {
				c, err := net.DialTimeout("tcp", addr, time.Second)
				if err != nil {
					r.tally.add("connections that are not read", Count{Refused: 1})
					continue
				}
				all = append(all, c)
				r.tally.add("connections that are not read", Count{Acknowledged: 1})
				if t, ok := c.(*net.TCPConn); ok {
					_ = t.SetReadBuffer(4096) // smaller is only meaner
				}
				if c.SetWriteDeadline(time.Now().Add(100*time.Millisecond)) == nil {
					_, _ = c.Write([]byte(say)) // it may not take all of it
				}
			}
		}
	}
	little := make([]byte, 200)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for i := 0; i < len(all); i += 2 {
			if all[i].SetReadDeadline(time.Now().Add(time.Millisecond)) == nil {
				_, _ = all[i].Read(little) // there may be nothing
			}
		}
	}
}

const upgrade = "GET /live HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: lithair.live.v1\r\n\r\n"

// textFrame is a frame of at most 125 bytes, under a mask of zeros.
func textFrame(s string) string {
	return "\x81" + string([]byte{0x80 | byte(len(s))}) + "\x00\x00\x00\x00" + s
}

package ws_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/lithair/lithair-go/wire"
	"github.com/lithair/lithair-go/ws"
)

// serve runs a handler on a free port of this machine and returns its URL.
func serve(h wire.Handler) (url string, shut func()) {
	s, err := wire.NewServer(wire.Config{Handler: h})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	return "ws://" + l.Addr().String() + "/", func() {
		if err := s.Shutdown(context.Background()); err != nil {
			log.Fatal(err)
		}
		<-ended
	}
}

// An echo, for any number of connections, without a goroutine for those on which nothing comes.
func ExampleServer_Handler() {
	server, err := ws.NewServer(ws.Config{})
	if err != nil {
		log.Fatal(err)
	}
	url, shut := serve(server.Handler(&ws.Handler{
		Message: func(c *ws.Conn, op ws.Opcode, data []byte) error {
			return c.Write(context.Background(), op, data)
		},
	}))
	defer shut()

	ctx := context.Background()
	c, err := ws.Dial(ctx, url, ws.DialConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	op, data, err := c.Read(ctx)
	fmt.Println(op, string(data), err)
	if err := c.Close(ws.CloseNormal, "bye"); err != nil {
		log.Fatal(err)
	}
	// Output: text hello <nil>
}

// One message for all, framed and compressed once.
func ExamplePrepare() {
	server, err := ws.NewServer(ws.Config{})
	if err != nil {
		log.Fatal(err)
	}
	joined := make(chan struct{}, 2)
	url, shut := serve(server.Func(func(c *ws.Conn) {
		joined <- struct{}{}
		<-c.Done()
	}))
	defer shut()

	ctx := context.Background()
	var clients [2]*ws.Conn
	for i := range clients {
		if clients[i], err = ws.Dial(ctx, url, ws.DialConfig{}); err != nil {
			log.Fatal(err)
		}
		<-joined // Dial may return a moment before the server counts the connection
	}
	p, err := ws.Prepare(ws.Text, []byte("news"))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range server.Conns() {
		if err := c.SendPrepared(p); err != nil {
			log.Fatal(err)
		}
	}
	for _, c := range clients {
		_, data, err := c.Read(ctx)
		fmt.Println(string(data), err)
		if err := c.CloseNow(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// news <nil>
	// news <nil>
}

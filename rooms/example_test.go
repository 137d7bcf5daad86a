package rooms_test

import (
	"fmt"

	"github.com/lithair/lithair-go/rooms"
)

// Two connections talk in a room of one node. A program uses a Hub, which knows the time and other nodes.
func ExampleCore() {
	opts := &rooms.Options{}
	c := rooms.NewCore(rooms.CoreConfig{Self: 1, Epoch: 5, Options: func(room string) *rooms.Options { return opts }})
	c.Connect(0, 1, "ada")
	c.Connect(0, 2, "bob")
	for _, err := range []*rooms.Error{
		c.Join(0, 1, "chat/1", "", nil),
		c.Join(0, 2, "chat/1", "", nil),
		c.Send(0, 1, "chat/1", `"hello"`, "", []byte(`{"text":"hi"}`)),
	} {
		if err != nil {
			fmt.Println(err)
		}
	}
	for _, f := range c.Take().Frames {
		fmt.Println(f.Conns, string(f.Data))
	}
	// Output:
	// [1] {"op":"joined","room":"chat/1","epoch":"6-1","n":0,"conn":"1-1","history":[]}
	// [2] {"op":"joined","room":"chat/1","epoch":"6-1","n":0,"conn":"1-2","history":[]}
	// [1 2] {"op":"message","room":"chat/1","epoch":"6-1","n":1,"from":"ada","conn":"1-1","at":0,"data":{"text":"hi"}}
	// [1] {"op":"ok","ref":"hello","epoch":"6-1","n":1}
}

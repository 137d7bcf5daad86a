package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/live/client"
)

// Task is a record that is followed.
type Task struct {
	ID   string `json:"id" lithair:"primary_key"`
	Text string `json:"text"`
	Done bool   `json:"done"`
}

// A list is followed: what is open, by text.
func Example() {
	dir, err := os.MkdirTemp("", "lithair")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	app := lithair.New(lithair.Config{Name: "tasks", Addr: "127.0.0.1:0", Dir: dir, LogLevel: "error"})
	tasks := lithair.Model[Task](app, "/api/tasks")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := app.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer app.Shutdown(ctx)

	c, err := client.New(client.Config{Nodes: []string{"http://" + app.Addr()}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	q := c.Follow("Task", "/api/tasks", "done=false&sort=text")
	for _, t := range []Task{{ID: "1", Text: "water the plants"}, {ID: "2", Text: "air the room"}} {
		if err := app.Update(ctx, func(tx *lithair.Tx) error { return tasks.Insert(tx, &t) }); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(await(ctx, q, 2))
	if err := app.Update(ctx, func(tx *lithair.Tx) error {
		return tasks.Put(tx, &Task{ID: "1", Text: "water the plants", Done: true})
	}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(await(ctx, q, 1))
	// Output:
	// [air the room water the plants]
	// [air the room]
}

// await waits until a query has n rows, and returns their texts.
func await(ctx context.Context, q *client.Query, n int) (texts []string) {
	for {
		answer, changed, err := q.Now()
		if err != nil {
			log.Fatal(err)
		}
		if answer.Seq > 0 && len(answer.Rows) == n {
			tasks, err := client.Decode[Task](answer.Rows)
			if err != nil {
				log.Fatal(err)
			}
			for _, t := range tasks {
				texts = append(texts, t.Text)
			}
			return texts
		}
		select {
		case <-changed:
		case <-ctx.Done():
			log.Fatal(ctx.Err())
		}
	}
}

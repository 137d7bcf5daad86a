package sample

import (
	"context"
	"errors"
	"fmt"

	lithair "github.com/lithair/lithair-go"
)

// What the desk refuses.
var (
	ErrClosed = errors.New("the desk is closed") //lithair:status 423
	//lithair:status 409
	ErrTwice = errors.New("the article was printed already")
)

// Desk is an API over articles.
//
//lithair:api
type Desk struct {
	*Models
	app    *lithair.App
	Closed bool
}

// Print is what Print takes.
type Print struct {
	ID     lithair.ID `path:"id"`
	Dry    bool       `query:"dry"`
	Tags   []string   `query:"tag"`
	Editor *string    `header:"X-Editor"`
	Copies int        `json:"copies" http:"validate=range(1,100)"`
	Note   string     `json:"note,omitempty" http:"validate=max_length(10)"`
}

// Printed is the answer.
type Printed struct {
	Title  string   `json:"title"`
	Views  int64    `json:"views"`
	Tags   []string `json:"tags"`
	Editor string   `json:"editor"`
}

// Print prints an article. It counts the copies as views.
//
//lithair:route POST /desk/{id}/print 201
func (d *Desk) Print(tx *lithair.Tx, in Print) (Printed, error) {
	if d.Closed {
		return Printed{}, fmt.Errorf("%w until tomorrow", ErrClosed)
	}
	a, err := d.Articles.Get(tx, in.ID)
	if err != nil {
		return Printed{}, err
	}
	if a.Status == "printed" {
		return Printed{}, ErrTwice
	}
	out := Printed{Title: a.Title, Views: a.Views + int64(in.Copies), Tags: in.Tags}
	if in.Editor != nil {
		out.Editor = *in.Editor
	}
	if in.Dry {
		return out, nil
	}
	a.Views, a.Status = out.Views, "printed"
	return out, d.Articles.Put(tx, &a)
}

// Clear removes what is printed.
func (d *Desk) Clear(tx *lithair.Tx) error {
	for a, err := range d.Articles.ByStatus(tx, "printed") {
		if err != nil {
			return err
		}
		if err := d.Articles.Delete(tx, a.ID); err != nil {
			return err
		}
	}
	return nil
}

// Search is what Titles takes.
type Search struct {
	Status Status `json:"status" http:"validate=non_empty"`
	Least  int64  `json:"least"`
}

// Titles lists the titles of articles.
func (d *Desk) Titles(s *lithair.Snapshot, in Search) ([]string, error) {
	titles := []string{}
	for a, err := range d.Articles.Where(s, ArticleField.Status.Is(in.Status), ArticleField.Views.AtLeast(in.Least)) {
		if err != nil {
			return nil, err
		}
		titles = append(titles, a.Title)
	}
	return titles, nil
}

// Address says where the desk is.
//
//lithair:route GET /desk
func (d *Desk) Address(ctx context.Context) (string, error) { return d.app.Addr(), ctx.Err() }

// Burn is not served.
//
//lithair:route -
func (d *Desk) Burn(tx *lithair.Tx) error { return nil }

// Count is not served, since it does not look like a route.
func (d *Desk) Count(tx *lithair.Tx, id lithair.ID) (int, error) { return 0, nil }

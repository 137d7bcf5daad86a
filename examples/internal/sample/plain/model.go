// Package plain is what the generator is tested with: the models of package sample
// without generated code.
package plain

import (
	"net/netip"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// Status is where an article stands.
type Status string

// Ranked is embedded by what has a rank.
type Ranked struct {
	Rank int `json:"rank" lithair:"indexed" http:"validate=max(1000)"`
}

// Article has a field of most kinds there are.
type Article struct {
	Ranked
	ID        lithair.ID      `json:"id" lithair:"primary_key"`
	Slug      string          `json:"slug" lithair:"unique" http:"validate=length(1,20);regex(\"^[a-z0-9]+(-[a-z0-9]+)*$\")"`
	Title     string          `json:"title" http:"validate=non_empty;max_length(30)" lifecycle:"audited"`
	Mail      *string         `json:"mail,omitempty" http:"validate=email;min_length(7)"`
	Link      string          `json:"link,omitempty" http:"validate=regex(\"^(https?://.+)?$\")"`
	Status    Status          `json:"status" lithair:"indexed"`
	Views     int64           `json:"views" lithair:"indexed" http:"validate=range(0,100)"`
	Size      uint16          `json:"size" http:"validate=max(500)"`
	Ratio     float64         `json:"ratio" http:"validate=range(-0.5,1e3)"`
	Small     *float32        `json:"small" http:"validate=min(0)"`
	Draft     bool            `json:"draft"`
	AuthorID  *int64          `json:"author_id,omitempty" lithair:"fk=Author,on_delete=set_null"`
	Lines     []Line          `json:"lines" http:"validate=max_length(4)"`
	First     *Line           `json:"first,omitempty"`
	Tags      []string        `json:"tags,omitempty" http:"validate=max_length(3)"`
	Meta      map[string]Line `json:"meta,omitempty"`
	Counts    map[int]int64   `json:"counts,omitempty"`
	Photo     *lithair.Blob   `json:"photo,omitempty"`
	From      netip.Addr      `json:"from"`
	Took      time.Duration   `json:"took"`
	Raw       []byte          `json:"raw"`
	Due       *time.Time      `json:"due"`
	Next      *lithair.ID     `json:"next"`
	CreatedAt time.Time       `json:"created_at" lithair:"created"`
	UpdatedAt time.Time       `json:"updated_at" lithair:"updated"`
	_         struct{}        `lithair:"index=status+created_at,unique=title+views" lifecycle:"versioned=3"`
}

// Line lies inside of articles.
type Line struct {
	Name string `json:"name" http:"validate=non_empty"`
	N    uint8  `json:"n" http:"validate=max(5)"`
	Sub  *Part  `json:"sub,omitempty"`
	More []Part `json:"more,omitempty"`
}

// Part lies inside of lines.
type Part struct {
	Text string `json:"text" http:"validate=max_length(5)"`
}

// Author writes articles.
type Author struct {
	ID     int64  `json:"id"`
	Name   string `json:"name" lithair:"unique" http:"validate=non_empty;length(1,80)"`
	Secret string `json:"secret" http:"hidden"`
	UUID   string `json:"uuid,omitempty" http:"validate=regex(\"^(.{36})?$\")"`
}

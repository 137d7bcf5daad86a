package main

import lithair "github.com/lithair/lithair-go"

// Item is one entry of the catalog, at /api/items. The fields are those of a Debian
// package; other files fill those they have, and the rest of a row goes to Extra.
//
//lithair:model
type Item struct {
	Key          string            `json:"key" lithair:"primary_key" http:"validate=length(1,200)"`
	Name         string            `json:"name" lithair:"indexed" http:"validate=non_empty"`
	Version      string            `json:"version,omitempty"`
	Section      string            `json:"section,omitempty" lithair:"indexed"`
	Priority     string            `json:"priority,omitempty" lithair:"indexed"`
	Architecture string            `json:"architecture,omitempty" lithair:"indexed"`
	SizeKiB      int64             `json:"size_kib,omitempty"`
	Summary      string            `json:"summary,omitempty"`
	Description  string            `json:"description,omitempty"`
	Homepage     string            `json:"homepage,omitempty"`
	Extra        map[string]string `json:"extra,omitempty"`
}

// catalog is the application.
type catalog struct {
	*Models
	app   *lithair.App
	index indexCache
}

func newCatalog(app *lithair.App) *catalog {
	return &catalog{app: app, Models: Register(app)}
}

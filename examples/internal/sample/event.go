package sample

import "errors"

// ErrPublished refuses to publish what is published.
var ErrPublished = errors.New("sample: the article is published")

// Published says that an article can be read from now on.
type Published struct {
	By string `json:"by"`
}

// Apply publishes.
func (e Published) Apply(a *Article) error {
	if !a.Draft {
		return ErrPublished
	}
	a.Draft = false
	return nil
}

// Commit is called like what the collection has already.
type Commit struct {
	Views int64 `json:"views"`
}

// Apply counts.
func (e *Commit) Apply(a *Article) error {
	a.Views += e.Views
	return nil
}

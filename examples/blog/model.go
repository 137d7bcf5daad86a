package main

import (
	"fmt"
	"strings"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// Article is one post, at /api/articles. A POST needs slug, title and body.
//
//lithair:model
type Article struct {
	ID        lithair.ID  `json:"id" lithair:"primary_key"`
	Slug      string      `json:"slug" lithair:"unique" http:"validate=length(1,80);regex(\"^[a-z0-9]+(-[a-z0-9]+)*$\")"`
	Title     string      `json:"title" http:"validate=non_empty;length(1,200)"`
	Body      string      `json:"body" http:"validate=non_empty;max_length(200000)"`
	AuthorID  *lithair.ID `json:"author_id,omitempty" lithair:"fk=Author,on_delete=set_null"`
	Published bool        `json:"published" lithair:"indexed"`
	CreatedAt time.Time   `json:"created_at" lithair:"created"`
	UpdatedAt time.Time   `json:"updated_at" lithair:"updated"`
}

// Author writes articles, at /api/authors.
//
//lithair:model
type Author struct {
	ID   lithair.ID `json:"id" lithair:"primary_key"`
	Name string     `json:"name" lithair:"unique" http:"validate=non_empty;length(1,80)"`
	Bio  string     `json:"bio" http:"validate=max_length(500)"`
}

// Comment belongs to an article and goes with it, at /api/comments.
//
//lithair:model
type Comment struct {
	ID         lithair.ID `json:"id" lithair:"primary_key"`
	ArticleID  lithair.ID `json:"article_id" lithair:"fk=Article,on_delete=cascade"`
	AuthorName string     `json:"author_name" http:"validate=non_empty;length(1,80)"`
	Body       string     `json:"body" http:"validate=non_empty;max_length(5000)"`
	CreatedAt  time.Time  `json:"created_at" lithair:"created"`
}

// Paragraphs are the parts of the body between empty lines.
func (a Article) Paragraphs() []string { return paragraphs(a.Body) }

// Paragraphs are the parts of the body between empty lines.
func (c Comment) Paragraphs() []string { return paragraphs(c.Body) }

func paragraphs(text string) (list []string) {
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			list = append(list, p)
		}
	}
	return list
}

// Excerpt is the beginning of the body, at most about n characters, cut at a word.
func (a Article) Excerpt(n int) string {
	words := strings.Fields(a.Body)
	text := strings.Join(words, " ")
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	cut := string(runes[:n])
	if i := strings.LastIndexByte(cut, ' '); i > 0 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " .,;:") + "…"
}

// ReadingTime is how long reading takes at 220 words a minute.
func (a Article) ReadingTime() string {
	return fmt.Sprintf("%d min read", max(1, (len(strings.Fields(a.Body))+219)/220))
}

// Edited says whether the article was changed after it was written.
func (a Article) Edited() bool { return a.UpdatedAt.Sub(a.CreatedAt) > time.Second }

// slugify makes a slug of a title: lower-case letters and digits, joined by hyphens.
func slugify(title string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(title) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
	}
	const most = 80
	slug := b.String()
	if len(slug) > most { // at a word's end, where there is one
		slug = slug[:most]
		if i := strings.LastIndexByte(slug, '-'); i > 0 {
			slug = slug[:i]
		}
	}
	return slug
}

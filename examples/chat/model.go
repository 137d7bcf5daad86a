package main

import (
	"errors"
	"time"

	lithair "github.com/lithair/lithair-go"
)

// Channel is a place to talk, at /api/channels. Its room is channel/NAME.
//
//lithair:model
type Channel struct {
	Name      string    `json:"name" lithair:"primary_key" http:"validate=length(1,30);regex(\"^[a-z0-9]+(-[a-z0-9]+)*$\")"`
	Topic     string    `json:"topic" http:"validate=max_length(120)"`
	CreatedAt time.Time `json:"created_at" lithair:"created"`
}

// Message is what somebody said, at /api/messages. It is written by Say alone, so that nobody speaks for another.
//
//lithair:model
type Message struct {
	ID        lithair.ID `json:"id" lithair:"primary_key"`
	Channel   string     `json:"channel" lithair:"fk=Channel,on_delete=cascade"`
	Author    string     `json:"author"`
	Text      string     `json:"text" http:"validate=non_empty;max_length(2000)"`
	Nonce     string     `json:"nonce" lithair:"unique" http:"validate=length(16,64)"` // of the sender's choice, see Say
	CreatedAt time.Time  `json:"created_at" lithair:"created"`
}

// ErrNonce is that of a message whose nonce another one has.
var ErrNonce = errors.New("the nonce belongs to another message") //lithair:status 409

// Talk has what is more than reading and writing a record.
//
//lithair:api
type Talk struct{ *Models }

// Saying is what is to be said.
type Saying struct {
	Channel string `path:"channel"`
	Text    string `json:"text"`
	Nonce   string `json:"nonce"`
}

// Say says something in a channel. Who hears nothing of the outcome says it again, with the same nonce: then it is
// the same message, however often it came.
//
//lithair:route POST /api/channels/{channel}/messages
func (t *Talk) Say(tx *lithair.Tx, in Saying) (Message, error) {
	if in.Nonce != "" {
		m, err := t.Messages.ByNonce(tx, in.Nonce)
		if err == nil && (m.Author != tx.Actor() || m.Channel != in.Channel || m.Text != in.Text) {
			return Message{}, ErrNonce
		}
		if !errors.Is(err, lithair.ErrNotFound) {
			return m, err
		}
	}
	m := Message{Channel: in.Channel, Author: tx.Actor(), Text: in.Text, Nonce: in.Nonce}
	return m, t.Messages.Insert(tx, &m)
}

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	lithair "github.com/lithair/lithair-go"
	"github.com/lithair/lithair-go/wire"
)

// Note is plain REST data; each belongs to one client connection, which knows what it
// must hold.
type Note struct {
	ID   string `json:"id" lithair:"primary_key"`
	Text string `json:"text"`
}

// Claim is raced for: many clients want the same name, one may have it.
type Claim struct {
	ID   string `json:"id" lithair:"primary_key"`
	Name string `json:"name" lithair:"unique"`
}

// Account and Entry are changed together, by the command transfer.
type Account struct {
	ID      string `json:"id" lithair:"primary_key"`
	Balance int64  `json:"balance"`
}

type Entry struct {
	ID        lithair.ID `json:"id" lithair:"primary_key"`
	AccountID string     `json:"account_id" lithair:"fk=Account"`
	Transfer  string     `json:"transfer" lithair:"indexed"`
	Amount    int64      `json:"amount"`
}

// Counter counts how often the command bump took effect.
type Counter struct {
	ID string `json:"id" lithair:"primary_key"`
	N  int64  `json:"n"`
}

// Audited is made by a consumer for each entry, and Posted by the job that it pushes: a second one would be a conflict.
type Audited struct {
	Entry string `json:"entry" lithair:"primary_key"`
}

type Posted struct {
	Entry string `json:"entry" lithair:"primary_key"`
}

type transfer struct {
	ID     string `json:"id"`
	From   string `json:"from"`
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

type bump struct {
	Counter string `json:"counter"`
}

const (
	accounts       = 16
	openingBalance = 1000
)

func accountID(n int) string { return fmt.Sprintf("account-%02d", n) }

// bank is the server under test.
type bank struct {
	app      *lithair.App
	notes    *lithair.Collection[Note]
	claims   *lithair.Collection[Claim]
	accounts *lithair.Collection[Account]
	entries  *lithair.Collection[Entry]
	counters *lithair.Collection[Counter]
	audited  *lithair.Collection[Audited]
	posted   *lithair.Collection[Posted]
	consumer *lithair.ConsumerOf[Entry]
	post     *lithair.QueueOf[string]
}

// serve runs the server on dir until its standard input ends. It prints its address
// once it answers.
func serve(dir string) error {
	app := lithair.New(lithair.Config{Name: "crashtest", Addr: "127.0.0.1:0", Dir: dir, LogLevel: "error"})
	b := &bank{
		app:      app,
		notes:    lithair.Model[Note](app, "/api/notes"),
		claims:   lithair.Model[Claim](app, "/api/claims"),
		accounts: lithair.Model[Account](app, "/api/accounts"),
		entries:  lithair.Model[Entry](app, "/api/entries"),
		counters: lithair.Model[Counter](app, "/api/counters"),
		audited:  lithair.Model[Audited](app, ""),
		posted:   lithair.Model[Posted](app, ""),
	}
	once := lithair.QueueOptions{MaxAttempts: 1} // what is done twice fails, and is a dead letter
	b.post = lithair.Queue(app, "post", once, func(tx *lithair.Tx, j lithair.Job[string]) error {
		return b.posted.Insert(tx, &Posted{j.Value})
	})
	b.consumer = b.entries.Consumer("audit", lithair.ConsumerOptions{QueueOptions: once}, func(tx *lithair.Tx, e lithair.Event[Entry]) error {
		_, err := b.post.Push(tx, e.Record.ID.String())
		return errors.Join(err, b.audited.Insert(tx, &Audited{e.Record.ID.String()}))
	})
	lithair.Command(app, "transfer", b.transfer)
	lithair.Command(app, "bump", b.bump)
	app.Get("/dump", b.dump)
	ctx := context.Background()
	if err := app.Start(ctx); err != nil {
		return err
	}
	if err := app.Update(ctx, b.open); err != nil {
		return err
	}
	fmt.Println("ADDR", app.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	end, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return app.Shutdown(end)
}

// open makes the accounts, once.
func (b *bank) open(tx *lithair.Tx) error {
	if b.accounts.Len(tx) > 0 {
		return nil
	}
	for n := range accounts {
		if err := b.accounts.Insert(tx, &Account{ID: accountID(n), Balance: openingBalance}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bank) transfer(tx *lithair.Tx, in transfer) (transfer, error) {
	for _, side := range []struct {
		account string
		amount  int64
	}{{in.From, -in.Amount}, {in.To, in.Amount}} {
		a, err := b.accounts.Get(tx, side.account)
		if err != nil {
			return in, err
		}
		a.Balance += side.amount
		if err := b.accounts.Put(tx, &a); err != nil {
			return in, err
		}
		if err := b.entries.Insert(tx, &Entry{AccountID: a.ID, Transfer: in.ID, Amount: side.amount}); err != nil {
			return in, err
		}
	}
	return in, nil
}

func (b *bank) bump(tx *lithair.Tx, in bump) (Counter, error) {
	c, err := b.counters.Get(tx, in.Counter)
	if errors.Is(err, lithair.ErrNotFound) {
		c = Counter{ID: in.Counter, N: 1}
		return c, b.counters.Insert(tx, &c)
	}
	if err != nil {
		return c, err
	}
	c.N++
	return c, b.counters.Put(tx, &c)
}

// dump writes everything of one snapshot, a line for each record, and a line for each
// place where an index disagrees with the records.
func (b *bank) dump(w *wire.Response, r *wire.Request) error {
	var out strings.Builder
	err := b.app.View(func(s *lithair.Snapshot) error {
		for n, err := range b.notes.Scan(s) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "note\t%s\t%s\n", n.ID, n.Text)
		}
		for c, err := range b.claims.Scan(s) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "claim\t%s\t%s\n", c.Name, c.ID)
			if by, err := b.claims.By(s, "name", c.Name); err != nil || by != c {
				fmt.Fprintf(&out, "broken\tunique index of claims for %s gives %+v, %v\n", c.Name, by, err)
			}
		}
		for a, err := range b.accounts.Scan(s) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "account\t%s\t%d\n", a.ID, a.Balance)
			var sum int64
			for e, err := range b.entries.Where(s, "account_id", a.ID) {
				if err != nil {
					return err
				}
				sum += e.Amount
			}
			if a.Balance != openingBalance+sum {
				fmt.Fprintf(&out, "broken\tbalance of %s is %d, its entries say %d\n", a.ID, a.Balance, openingBalance+sum)
			}
		}
		for e, err := range b.entries.Scan(s) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "entry\t%s\t%d\n", e.Transfer, e.Amount)
			if _, err := b.accounts.Get(s, e.AccountID); err != nil {
				fmt.Fprintf(&out, "broken\tentry of %s refers to %s: %v\n", e.Transfer, e.AccountID, err)
			}
		}
		for c, err := range b.counters.Scan(s) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "counter\t%s\t%d\n", c.ID, c.N)
		}
		b.dumpWork(&out, s)
		return nil
	})
	if err != nil {
		return err
	}
	return w.Send(200, "text/plain", []byte(out.String()))
}

// dumpWork writes how far consumer and queue are, and what they did twice or not as one.
func (b *bank) dumpWork(out *strings.Builder, s *lithair.Snapshot) {
	audited, posted, waiting := b.audited.Len(s), b.posted.Len(s), b.post.Waiting(s)
	fmt.Fprintf(out, "work\taudited\t%d\nwork\tposted\t%d\n", audited, posted)
	if audited != posted+waiting {
		fmt.Fprintf(out, "broken\t%d entries are audited, %d posted and %d wait for it\n", audited, posted, waiting)
	}
	for d := range b.consumer.Dead(s) {
		fmt.Fprintf(out, "broken\tan event failed: %+v\n", d)
	}
	for d := range b.post.Dead(s) {
		fmt.Fprintf(out, "broken\ta job failed: %+v\n", d)
	}
}

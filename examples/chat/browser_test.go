package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/internal/devtools"
)

// person is somebody with a browser of their own.
type person struct {
	t *testing.T
	*devtools.Page
	ctx context.Context
}

// arrive opens the page, says a name and waits until the channel is there.
func arrive(t *testing.T, b *devtools.Browser, s *server, name string) person {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	page, err := b.OpenAlone(ctx, "http://"+s.addr+"/")
	if err != nil {
		t.Fatal(err)
	}
	p := person{t, page, ctx}
	t.Cleanup(func() { // before the browser ends
		if !t.Failed() {
			return
		}
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		var text string
		err := page.Evaluate(ctx, `document.body.innerText + '\n' + [...document.querySelectorAll('.message')].map(e => e.className).join(', ')`, &text)
		t.Logf("what %s sees at the end (%v):\n%s", name, err, text)
	})
	p.does(fmt.Sprintf(`document.querySelector('input[name=name]').value = %q; document.querySelector('.door button').click()`, name))
	p.sees(connected)
	p.sees(fmt.Sprintf(`document.getElementById('people').textContent.includes(%q)`, name+" (you)"))
	return p
}

const connected = `document.getElementById('state').textContent === 'Connected'`

func (p person) sees(expression string) {
	p.t.Helper()
	if err := p.Wait(p.ctx, expression); err != nil {
		p.t.Fatal(err)
	}
}

func (p person) does(script string) {
	p.t.Helper()
	if err := p.Evaluate(p.ctx, script, nil); err != nil {
		p.t.Fatal(err)
	}
}

// types puts a text where it is typed, and says that it was.
func (p person) types(text string) {
	p.t.Helper()
	p.does(fmt.Sprintf(`(() => { const t = document.getElementById('text'); t.value = %q; t.dispatchEvent(new Event('input', { bubbles: true })); })()`, text))
}

func (p person) says(text string) {
	p.t.Helper()
	p.types(text)
	p.does(`document.querySelector('#say button').click()`)
}

// reads waits until the messages are exactly these, in this order, all of them acknowledged.
func (p person) reads(texts ...string) {
	p.t.Helper()
	p.sees(fmt.Sprintf(`[...document.querySelectorAll('.message')].map(e => e.querySelector('.text').textContent).join('|') === %q && !document.querySelector('.message.waiting, .message.failed')`, strings.Join(texts, "|")))
}

// with waits until these are there, in order of names.
func (p person) with(names ...string) {
	p.t.Helper()
	p.sees(fmt.Sprintf(`[...document.querySelectorAll('#people li > span:last-child')].map(e => e.textContent).join('|') === %q`, strings.Join(names, "|")))
}

// shoot writes what a page looks like to the folder SCREENSHOTS.
func (p person) shoot(name string, width, height int, dark bool) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	p.t.Helper()
	if err := p.Show(p.ctx, width, height, dark); err != nil {
		p.t.Fatal(err)
	}
	png, err := p.Screenshot(p.ctx)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// quiet fails the test if the page complained, as it does of what its policy forbids.
func (p person) quiet() {
	p.t.Helper()
	for _, line := range p.Console() {
		p.t.Error(line)
	}
}

// TestTwoBrowsers is a conversation: messages, who types, who comes and goes, a killed server under
// all of it, and nothing lost or told twice.
func TestTwoBrowsers(t *testing.T) {
	s := startServer(t)
	b := devtools.New(t)
	ada := arrive(t, b, s, "Ada")
	ada.with("Ada (you)")
	bob := arrive(t, b, s, "Bob")
	ada.with("Ada (you)", "Bob")
	bob.with("Ada", "Bob (you)")

	ada.types("Hel")
	bob.sees(`document.getElementById('typing').textContent === 'Ada is typing…'`)
	ada.says("Hello <i>Bob</i>")
	bob.reads("Hello <i>Bob</i>")
	ada.reads("Hello <i>Bob</i>")
	bob.sees(`document.getElementById('typing').textContent === ''`)
	bob.says("Hello Ada.\nHow are you?")
	ada.says("Fine")
	ada.says("and you?")
	texts := []string{"Hello <i>Bob</i>", "Hello Ada.\nHow are you?", "Fine", "and you?"}
	for _, p := range []person{ada, bob} { // Bob's and Ada's may be in either order
		p.sees(`document.querySelectorAll('.message').length === 4 && !document.querySelector('.waiting')`)
	}
	var order []string
	if err := ada.Evaluate(ada.ctx, `[...document.querySelectorAll('.message .text')].map(e => e.textContent)`, &order); err != nil {
		t.Fatal(err)
	}
	bob.reads(order...)
	for _, text := range texts {
		if !strings.Contains("|"+strings.Join(order, "|")+"|", "|"+text+"|") {
			t.Errorf("%q is missing in %q", text, order)
		}
	}

	// A third comes and goes with the tab.
	cy := arrive(t, b, s, "Cy")
	ada.with("Ada (you)", "Bob", "Cy")
	cy.types("I was about to s")
	ada.sees(`document.getElementById('typing').textContent === 'Cy is typing…'`)
	if err := cy.Close(cy.ctx); err != nil {
		t.Fatal(err)
	}
	ada.with("Ada (you)", "Bob")
	ada.sees(`document.getElementById('typing').textContent === ''`)

	// What is said while nobody is there is sent when somebody is, once.
	s.kill()
	ada.sees(`!(` + connected + `)`)
	ada.says("are you there?")
	ada.says("hello?")
	ada.sees(`document.querySelectorAll('.message.waiting').length === 2`)
	ada.shoot("waiting", 1280, 800, false)
	s.start()
	order = append(order, "are you there?", "hello?")
	ada.reads(order...)
	bob.reads(order...)
	ada.with("Ada (you)", "Bob")
	bob.says("I am")
	order = append(order, "I am")
	ada.reads(order...)
	bob.reads(order...)

	// Killed in the middle of many, some of which it had taken without a word of it.
	ada.does(`for (let i = 0; i < 30; i++) { document.getElementById("text").value = "n" + i; document.querySelector('#say button').click(); }`)
	bob.sees(`document.querySelectorAll('.message').length > 12`)
	s.kill()
	s.start()
	for i := range 30 {
		order = append(order, fmt.Sprint("n", i))
	}
	ada.reads(order...)
	bob.reads(order...)
	if _, _, body := s.as("Ada", "GET", "/api/messages/count?channel=general", "", ""); !strings.Contains(body, fmt.Sprint(`"count":`, len(order))) {
		t.Errorf("the store has %s, want %d", body, len(order))
	}
	bob.types("…")
	ada.sees(`document.getElementById('typing').textContent === 'Bob is typing…'`)
	ada.shoot("chat-wide", 1280, 800, false)
	ada.shoot("chat-wide-dark", 1280, 800, true)
	ada.shoot("chat-narrow-dark", 390, 844, true)
	ada.shoot("chat-narrow", 390, 844, false)
	ada.quiet()
	bob.quiet()
}

// TestAcrossNodes: people at three nodes of a cluster see each other, who types and what is said; those at a node that is
// killed are gone, and the others go on.
func TestAcrossNodes(t *testing.T) {
	nodes := startCluster(t)
	b := devtools.New(t)
	ada, bob := arrive(t, b, nodes[0], "Ada"), arrive(t, b, nodes[1], "Bob")
	ada.with("Ada (you)", "Bob")
	bob.with("Ada", "Bob (you)")
	ada.types("Is any")
	bob.sees(`document.getElementById('typing').textContent === 'Ada is typing…'`)
	ada.says("Is anybody at another node?")
	bob.reads("Is anybody at another node?")
	bob.says("I am")
	arrive(t, b, nodes[2], "Cy").reads("Is anybody at another node?", "I am")
	ada.with("Ada (you)", "Bob", "Cy")
	nodes[2].kill()
	ada.with("Ada (you)", "Bob")
	ada.says("Two are a quorum")
	bob.reads("Is anybody at another node?", "I am", "Two are a quorum")
	ada.reads("Is anybody at another node?", "I am", "Two are a quorum")
	ada.quiet()
	bob.quiet()
}

// TestChannels: a channel that one opens is there for all; what is said elsewhere is counted; earlier messages come when asked for.
func TestChannels(t *testing.T) {
	s := startServer(t)
	for i := range 70 {
		if status, _, body := s.as("Eve", "POST", "/api/channels/random/messages", "application/json", fmt.Sprintf(`{"text":"%d","nonce":"nonce-of-eve-%04d"}`, i, i)); status != 200 {
			t.Fatal(status, body)
		}
	}
	b := devtools.New(t)
	ada, bob := arrive(t, b, s, "Ada"), arrive(t, b, s, "Bob")
	bob.does(`document.querySelector('a[href="/c/random"]').click()`)
	bob.sees(`document.querySelectorAll('.message').length === 50 && location.pathname === '/c/random'`)
	ada.with("Ada (you)")
	bob.sees(`document.getElementById('scroll').scrollTop > 100`)
	bob.shoot("random", 1000, 700, false)
	bob.does(`document.getElementById('earlier').click()`)
	var all []string
	for i := range 70 {
		all = append(all, fmt.Sprint(i))
	}
	bob.reads(all...)
	bob.sees(`document.getElementById('earlier').hidden`)
	bob.says("70")
	bob.reads(append(all, "70")...)
	ada.sees(`document.querySelector('a[href="/c/random"] span').textContent === '1'`)

	ada.does(`document.getElementById('channel-name').value = 'Tea-Time'; document.querySelector('#open button').click()`)
	ada.sees(`document.getElementById('title').textContent === '#tea-time' && !document.getElementById('empty').hidden`)
	bob.sees(`document.querySelector('a[href="/c/tea-time"]')`)
	ada.shoot("empty", 390, 844, false)
	ada.does(`document.getElementById('channel-name').value = 'no!'; document.querySelector('#open button').click()`)
	ada.sees(`!document.getElementById('problem').hidden`)
	ada.does(`history.back()`)
	ada.sees(`document.getElementById('title').textContent === '#general'`)
	ada.with("Ada (you)")
	bob.quiet()
}

// TestDoor looks at the page for who has no name.
func TestDoor(t *testing.T) {
	s := startServer(t)
	b := devtools.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	page, err := b.OpenAlone(ctx, "http://"+s.addr+"/c/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	p := person{t, page, ctx}
	p.shoot("door", 1280, 800, false)
	p.does(`document.querySelector('input[name=name]').value = 'Zoë 🐝'; document.querySelector('.door button').click()`)
	p.sees(`document.querySelector('#empty .button')?.textContent === 'Open #nowhere'`)
	p.does(`document.querySelector('#empty .button').click()`)
	p.sees(`document.querySelector('a[href="/c/nowhere"][aria-current=page]')`)
	p.says("first")
	p.reads("first")
	p.quiet()
}

package devtools

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/ws"
)

var (
	// ErrNotInstalled: there is no browser to be found.
	ErrNotInstalled = errors.New("devtools: chromium is not installed")
	// ErrEnded: the browser was closed or has died.
	ErrEnded = errors.New("devtools: the browser has ended")
)

// maxAnswer bounds a message of the browser's: a screenshot is one.
const maxAnswer = 64 << 20

// Browser is a headless browser with a profile of its own.
type Browser struct {
	cmd     *exec.Cmd
	profile string
	conn    *ws.Conn
	heard   chan struct{} // closed when nothing more is heard of it

	mu    sync.Mutex
	calls map[int64]chan reply
	pages map[string]*Page // by session
	last  int64
}

// New launches a browser that is closed at the end of the test, and skips the test where
// none is installed.
func New(t testing.TB) *Browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := Launch(ctx)
	if errors.Is(err, ErrNotInstalled) {
		t.Skip("SKIPPED, no browser is tested: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Launch starts a browser. ctx bounds the start alone; Close ends the browser. The error is
// [ErrNotInstalled] where neither chromium nor chromium-headless-shell is in PATH.
func Launch(ctx context.Context) (*Browser, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "devtools")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--hide-scrollbars", "--window-size=1280,800", "--remote-debugging-port=0", "--user-data-dir="+profile, "about:blank")
	inGroup(cmd)
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(profile))
	}
	b := &Browser{cmd: cmd, profile: profile, heard: make(chan struct{}), calls: map[int64]chan reply{}, pages: map[string]*Page{}}
	if b.conn, err = connect(ctx, cmd, said); err != nil {
		close(b.heard)
		return nil, errors.Join(err, b.stop())
	}
	go b.listen()
	return b, nil
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

// connect waits for the browser to name its address. It says further things that nobody
// needs, which are read so that it never waits for that.
func connect(ctx context.Context, cmd *exec.Cmd, said io.Reader) (*ws.Conn, error) {
	address := make(chan string, 1)
	go func() {
		defer close(address)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if _, url, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
				address <- strings.TrimSpace(url)
				break
			}
		}
		io.Copy(io.Discard, said) // until it ends
	}()
	select {
	case url, ok := <-address:
		if !ok {
			return nil, ErrEnded
		}
		return ws.Dial(ctx, url, ws.DialConfig{Limits: ws.Limits{MaxMessageBytes: maxAnswer}})
	case <-ctx.Done():
		return nil, fmt.Errorf("devtools: the browser does not start: %w", context.Cause(ctx))
	}
}

// Close ends the browser with all its pages and removes its profile.
func (b *Browser) Close() error {
	b.conn.CloseNow() // always nil
	<-b.heard
	return b.stop()
}

func (b *Browser) stop() error {
	kill(b.cmd)
	var killed *exec.ExitError
	err := b.cmd.Wait()
	if errors.As(err, &killed) {
		err = nil
	}
	for range 50 { // processes of its own may still be writing there
		if os.RemoveAll(b.profile) == nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(err, os.RemoveAll(b.profile))
}

// reply is the answer to a call.
type reply struct {
	result jsonx.RawValue
	err    error
}

// message is one of the browser's: an answer, or an event.
type message struct {
	ID        int64          `json:"id"`
	SessionID string         `json:"sessionId"`
	Method    string         `json:"method"`
	Params    jsonx.RawValue `json:"params"`
	Result    jsonx.RawValue `json:"result"`
	Error     *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    string `json:"data"`
	} `json:"error"`
}

// listen hands out what the browser says.
func (b *Browser) listen() {
	defer close(b.heard)
	for {
		_, data, err := b.conn.Read(context.Background())
		if err != nil {
			return
		}
		var m message
		if err := jsonx.Unmarshal(data, &m); err != nil {
			b.conn.CloseNow() // always nil; whoever waits for an answer gets ErrEnded
			return
		}
		if m.ID == 0 {
			b.mu.Lock()
			p := b.pages[m.SessionID]
			b.mu.Unlock()
			if p != nil {
				p.happened(m.Method, m.Params)
			}
			continue
		}
		r := reply{result: m.Result}
		if m.Error != nil {
			r.err = fmt.Errorf("devtools: %s %s", m.Error.Message, m.Error.Data)
		}
		b.mu.Lock()
		waiting := b.calls[m.ID]
		delete(b.calls, m.ID)
		b.mu.Unlock()
		if waiting != nil {
			waiting <- r
		}
	}
}

// call calls a method of the protocol and decodes its result; out may be nil. session is
// that of a page, "" of the browser itself.
func (b *Browser) call(ctx context.Context, session, method string, params, out any) error {
	b.mu.Lock()
	b.last++
	id := b.last
	answered := make(chan reply, 1)
	b.calls[id] = answered
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.calls, id)
		b.mu.Unlock()
	}()
	text, err := jsonx.Marshal(struct {
		ID        int64  `json:"id"`
		SessionID string `json:"sessionId,omitempty"`
		Method    string `json:"method"`
		Params    any    `json:"params"`
	}{id, session, method, params})
	if err != nil {
		return err
	}
	if err := b.conn.Write(ctx, ws.Text, text); err != nil {
		return fmt.Errorf("devtools: %s: %w", method, err)
	}
	select {
	case r := <-answered:
		if r.err != nil || out == nil {
			return r.err
		}
		return jsonx.Unmarshal(r.result, out)
	case <-b.heard:
		return ErrEnded
	case <-ctx.Done():
		return fmt.Errorf("devtools: %s: %w", method, context.Cause(ctx))
	}
}

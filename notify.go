package lithair

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// notifier tells systemd, or whatever stands in its place, how the application is: sd_notify(3), by
// datagrams to the socket that $NOTIFY_SOCKET names. One that is nil tells nobody.
type notifier struct {
	conn     net.Conn
	watchdog time.Duration // the application must be heard of so often; 0: it need not
}

// startExtension is what a start may still take, each time it is asked for; replays are long.
const startExtension = 30 * time.Second

// notifyTimeout is how long a message waits for one that does not read.
const notifyTimeout = time.Second

// newNotifier returns nil where nobody wants to know.
func newNotifier(environ []string) (*notifier, error) {
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, _ := strings.Cut(kv, "="); k == "NOTIFY_SOCKET" || strings.HasPrefix(k, "WATCHDOG_") {
			env[k] = v
		}
	}
	socket := env["NOTIFY_SOCKET"]
	if socket == "" {
		return nil, nil
	}
	if socket[0] != '/' && socket[0] != '@' { // a path, or a name in the abstract space of Linux
		return nil, fmt.Errorf("NOTIFY_SOCKET is %.80q, want a path, or @ and a name", socket)
	}
	n := &notifier{}
	if text := env["WATCHDOG_USEC"]; text != "" && (env["WATCHDOG_PID"] == "" || env["WATCHDOG_PID"] == strconv.Itoa(os.Getpid())) {
		usec, err := strconv.ParseInt(text, 10, 64)
		if n.watchdog = time.Duration(usec) * time.Microsecond; err != nil || usec <= 0 || n.watchdog/time.Microsecond != time.Duration(usec) {
			return nil, fmt.Errorf("WATCHDOG_USEC is %.80q, want microseconds", text)
		}
	}
	conn, err := net.Dial("unixgram", socket)
	n.conn = conn
	return n, err
}

// tell sends assignments, such as READY=1.
func (n *notifier) tell(assignments ...string) error {
	if n == nil {
		return nil
	}
	if err := n.conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err := n.conn.Write([]byte(strings.Join(assignments, "\n")))
	return err
}

// starting asks for time until ctx ends.
func (n *notifier) starting(ctx context.Context) {
	more := "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(startExtension.Microseconds(), 10)
	n.repeat(ctx, startExtension/3, "STATUS=reading the data", more)
}

// living says that the process runs, until ctx ends, twice as often as it must.
func (n *notifier) living(ctx context.Context) {
	if n != nil && n.watchdog > 0 {
		n.repeat(ctx, n.watchdog/2, "WATCHDOG=1")
	}
}

// repeat tells the same again and again. What is not heard is told again, so errors do not matter.
func (n *notifier) repeat(ctx context.Context, every time.Duration, assignments ...string) {
	if n == nil {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		_ = n.tell(assignments...)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (n *notifier) close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}

package lithair

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNotify is systemd: it hears of the start, of life, and of the end.
func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Skip("no datagrams over Unix sockets:", err)
	}
	defer l.Close()
	n, err := newNotifier([]string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=20000"})
	if err != nil {
		t.Fatal(err)
	}
	a := withNotes(newApp(t, Config{Dir: t.TempDir(), Addr: "127.0.0.1:0"}))
	a.log = a.cfg.logger(os.Stderr)
	signals, hup := make(chan os.Signal, 2), make(chan os.Signal, 1)
	done := make(chan int, 1)
	go func() { done <- a.serveUntil(signals, hup, n, new(strings.Builder)) }()
	await := func(what string) string {
		t.Helper()
		buf := make([]byte, 4096)
		for {
			if err := l.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			n, err := l.Read(buf)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if strings.Contains(string(buf[:n]), what) {
				return string(buf[:n])
			}
		}
	}
	await("EXTEND_TIMEOUT_USEC=30000000")
	if text := await("READY=1"); !strings.Contains(text, "STATUS=serving http://"+a.Addr()) {
		t.Error(text)
	}
	await("WATCHDOG=1")
	await("WATCHDOG=1")
	signals <- syscall.SIGTERM
	await("STOPPING=1")
	if code := receive(t, "the end", done); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestNotifySettings(t *testing.T) {
	for _, c := range []struct {
		env  string
		fail string
	}{
		{"", ""},
		{"NOTIFY_SOCKET=", ""},
		{"NOTIFY_SOCKET=vsock:2:1", "want a path"},
		{"NOTIFY_SOCKET=/none/there", "no such file"},
		{"NOTIFY_SOCKET=/none/there WATCHDOG_USEC=soon", "want microseconds"},
		{"NOTIFY_SOCKET=/none/there WATCHDOG_USEC=9223372036854775807", "want microseconds"},
		{"NOTIFY_SOCKET=/none/there WATCHDOG_USEC=soon WATCHDOG_PID=1", "no such file"}, // of another process
	} {
		n, err := newNotifier(strings.Fields(c.env))
		if c.fail == "" && (n != nil || err != nil) || c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)) {
			t.Errorf("%s: %v, %v", c.env, n, err)
		}
	}
}

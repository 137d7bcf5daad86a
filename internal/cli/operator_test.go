package cli

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// TestOperatorsWait: what an application says goes on behind an hour in which it had nothing to say.
func TestOperatorsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := operatorConfig("")
		here, there := net.Pipe()
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return here, nil }
		client, err := wire.NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		said := make(chan error, 1)
		go func() {
			_, err := http.ReadRequest(bufio.NewReader(there))
			for _, text := range []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "6\r\nfirst\n\r\n", "5\r\nlate\n\r\n", "0\r\n\r\n"} {
				if text[0] == '5' {
					time.Sleep(time.Hour)
				}
				_, e := there.Write([]byte(text))
				err = errors.Join(err, e)
			}
			said <- err
		}()
		r, err := client.Get(t.Context(), "http://operator/log")
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(r.Body())
		for _, want := range []string{"first", "late"} {
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("%q, %v, want %s", lines.Text(), lines.Err(), want)
			}
		}
		if lines.Scan() || lines.Err() != nil {
			t.Errorf("in the end: %q, %v", lines.Text(), lines.Err())
		}
		if err := errors.Join(<-said, client.Close(), there.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnApplicationThatDoesNotAnswer: one that is stopped takes connections and answers nothing. Commands on its cluster end, and say of a change that
// it may be made all the same.
func TestAnApplicationThatDoesNotAnswer(t *testing.T) {
	dir, err := os.MkdirTemp("", "lt") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "operator.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer func(was time.Duration) { operatorWait = was }(operatorWait)
	operatorWait = 50 * time.Millisecond
	for method, doubt := range map[string]bool{"GET": false, "POST": true} {
		_, err := askOperator(dir, method, "/cluster", []byte("{}"))
		x, ok := errors.AsType[*ExitError](err)
		if !ok || x.Code != CodeUnreachable || !strings.Contains(err.Error(), "did not answer within 50ms") || strings.Contains(err.Error(), "may be done") != doubt {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestAnswersOfNodesThatAreNoMembers: the table says whose word it is.
func TestAnswersOfNodesThatAreNoMembers(t *testing.T) {
	for node, says := range map[uint64]bool{1: false, 2: true} {
		var b strings.Builder
		c := &Console{Out: &b}
		if err := c.printCluster(clusterStatus{Cluster: "towns", Node: node, Members: []clusterMember{{ID: 1, Role: "leader"}}}); err != nil || strings.Contains(b.String(), "is no member") != says {
			t.Errorf("of node %d: %v %s", node, err, b.String())
		}
	}
}

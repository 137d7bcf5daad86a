package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// TestKeptBehindTheHandler: who keeps a Request or Response sees nothing of it once the
// connection rests, and nothing of other connections, which use the same working set.
func TestKeptBehindTheHandler(t *testing.T) {
	type pair struct {
		w *Response
		r *Request
		b io.Reader
	}
	kept := make(chan pair, 3)
	cfg := Config{Handler: func(w *Response, r *Request) error {
		kept <- pair{w, r, r.Body()}
		return w.Send(200, "text/plain", []byte("hello"))
	}}
	eachKind(t, cfg, func(t *testing.T, s *Server, dial func() net.Conn) {
		first := dial()
		defer first.Close()
		fetch(t, first, "/secret?a=1")
		until(t, "it rests", func() bool { return s.keeper.count() == 1 })
		k, second := <-kept, dial()
		defer second.Close()
		fetch(t, second, "/other")
		other := <-kept
		if k.r == other.r || k.w == other.w {
			t.Fatal("two connections have one Request or Response")
		}
		until(t, "both rest", func() bool { return s.keeper.count() == 2 })
		checkOver(t, k.w, k.r, k.b)
		until(t, "both still rest", func() bool { return s.keeper.count() == 2 }) // whose lock is between these reads and who is woken next
	})
	checkOver(t, &Response{&over.res}, &Request{&over.req}, (&Request{&over.req}).Body()) // and nothing was changed
}

func checkOver(t *testing.T, w *Response, r *Request, body io.Reader) {
	t.Helper()
	r.SetContext(t.Context())
	r.SetPathValue("a", "b")
	r.SetID("an-id")
	r.Inherit(r)
	r.ReadConcurrently(nil)
	for what, got := range map[string]string{"method": r.Method(), "target": r.Target(), "path": r.Path(), "host": r.Host(), "a field": r.Header("Host"), "path value": r.PathValue("a"), "id": r.ID(), "query": r.Query().Get("a")} {
		if got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
	for range r.Headers() {
		t.Error("there are fields")
	}
	if r.Context() != context.Background() || r.RemoteAddr().String() != "closed" || r.ClientAddr().IsValid() || r.TLS() != nil || r.WatchClient().Err() != nil {
		t.Errorf("%v, %v, %v", r.Context(), r.RemoteAddr(), r.ClientAddr())
	}
	r.OnClientGone(func() { t.Error("nobody has gone") })
	w.Status(500)
	w.ClearHeaders()
	w.NoCompress()
	w.DelHeader("A")
	errs := map[string]error{"Flush": w.Flush(), "Redirect": w.Redirect(302, "/"), "SetCookie": w.SetCookie(Cookie{Name: "a"}), "Trailer": w.Trailer("A", "b"), "SetHeader": w.SetHeader("A", "b"), "Send": w.Send(200, "text/plain", []byte("late"))}
	_, errs["Write"] = w.Write([]byte("late"))
	_, errs["ReadFrom"] = w.ReadFrom(body)
	_, errs["Read"] = body.Read(make([]byte, 9))
	_, errs["BorrowBody"] = r.BorrowBody(0)
	_, _, errs["Hijack"] = r.Hijack()
	_, errs["Events"] = w.Events(r)
	errs["Interim"], errs["SetWriteDeadline"], errs["SetReadDeadline"] = w.Interim(103), w.SetWriteDeadline(longAgo), r.SetReadDeadline(longAgo)
	for what, err := range errs {
		if !errors.Is(err, ErrReturned) && !errors.Is(err, ErrHijacked) && !errors.Is(err, ErrStarted) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if w.StatusCode() != 200 || w.HeaderValue("A") != "" || len(over.out) > 0 || len(over.res.body)+len(over.res.trailers) > 0 {
		t.Errorf("something was written: %d %q", w.StatusCode(), over.out)
	}
}

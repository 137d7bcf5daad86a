// Package devpage shows in a browser what lithair dev does: the errors of a build over the page,
// and the page anew when another program serves. It is for development alone: an application has
// it only when lithair dev started it.
package devpage

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/wire"
)

// Variable names, in the environment of a program, the file in which lithair dev says what is
// wrong with the newest source; it is empty while nothing is.
const Variable = "LITHAIR_DEV"

// Base is where the script and its events are served.
const Base = "/_lithair/dev"

// pollEvery is how often the file is looked at.
const pollEvery = 50 * time.Millisecond

// maxShown bounds what is shown of a build's output, in bytes.
const maxShown = 64 << 10

// script reloads the page when another process answers, and shows errors over it. It sets styles
// by properties, which content security policies leave alone.
const script = `(function () {
  var id, box;
  function show(text) {
    if (!text) { if (box) { box.remove(); box = null; } return; }
    if (!box) {
      box = document.createElement("pre");
      box.id = "lithair-dev";
      box.setAttribute("role", "alert");
      var s = box.style;
      s.position = "fixed"; s.inset = "0"; s.margin = "0"; s.padding = "2rem"; s.overflow = "auto"; s.zIndex = "2147483647";
      s.background = "rgba(20,20,24,.96)"; s.color = "#ffb4a9"; s.font = "14px/1.5 monospace"; s.whiteSpace = "pre-wrap";
      document.body.appendChild(box);
    }
    box.textContent = "The newest source does not build; the page below is of the one before.\n\n" + text;
  }
  new EventSource("` + Base + `/events").addEventListener("state", function (e) {
    var cut = e.data.indexOf("\n"), now = cut < 0 ? e.data : e.data.slice(0, cut);
    if (id && id !== now) { location.reload(); return; }
    id = now;
    show(cut < 0 ? "" : e.data.slice(cut + 1));
  });
})();
`

// tag is put behind each page.
const tag = "\n<script src=\"" + Base + "/script.js\"></script>\n"

// id tells this process from the next.
var id = strconv.Itoa(os.Getpid()) + "." + strconv.FormatInt(time.Now().UnixNano(), 36)

// Wrap serves the script and its events, and adds the script to each page that next answers.
func Wrap(file string, next wire.Handler) wire.Handler {
	return func(w *wire.Response, r *wire.Request) error {
		switch r.RawPath() {
		case Base + "/script.js":
			if err := w.SetHeader("Cache-Control", "no-store"); err != nil {
				return err
			}
			return w.Send(200, "text/javascript; charset=utf-8", []byte(script))
		case Base + "/events":
			return events(file, w, r)
		}
		if err := next(w, r); err != nil {
			return err
		}
		return inject(w)
	}
}

// inject adds the script to a page whose length is not fixed yet.
func inject(w *wire.Response) error {
	if !strings.HasPrefix(w.HeaderValue("Content-Type"), "text/html") || w.HeaderValue("Content-Encoding") != "" || w.HeaderValue("Content-Length") != "" || w.StatusCode() < 200 || w.StatusCode() == 204 || w.StatusCode() == 304 {
		return nil
	}
	if !w.Started() {
		if policy := w.HeaderValue("Content-Security-Policy"); policy != "" {
			if err := w.SetHeader("Content-Security-Policy", allow(policy)); err != nil {
				return err
			}
		}
		w.DelHeader("ETag")
	}
	_, err := w.WriteString(tag)
	return err
}

// allow lets a policy have scripts and connections of the page's own origin.
func allow(policy string) string {
	var order []string
	have := map[string][]string{}
	for d := range strings.SplitSeq(policy, ";") {
		if words := strings.Fields(d); len(words) > 0 && have[words[0]] == nil {
			order = append(order, words[0])
			have[words[0]] = words[1:]
		}
	}
	for _, name := range []string{"script-src", "connect-src"} {
		sources, own := have[name]
		if !own {
			order, sources = append(order, name), have["default-src"]
		}
		sources = slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return s == "'none'" })
		have[name] = append(sources, "'self'")
	}
	out := make([]string, len(order))
	for i, name := range order {
		out[i] = strings.Join(append([]string{name}, have[name]...), " ")
	}
	return strings.Join(out, "; ")
}

// events tells a page who serves, and what is wrong, now and whenever that changes.
func events(file string, w *wire.Response, r *wire.Request) error {
	s, err := w.Events(r)
	if err != nil {
		return err
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for last, first := "", true; ; first = false {
		text, err := Read(file)
		if err != nil {
			return err
		}
		if first || text != last {
			if last = text; text != "" {
				text = "\n" + text
			}
			if err := s.Send(wire.Event{Name: "state", Data: id + text, Retry: 200 * time.Millisecond}); err != nil {
				return nil // the page has gone
			}
		}
		select {
		case <-s.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// Read returns what a file says is wrong; "" where there is none.
func Read(file string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b[:min(len(b), maxShown)]), err
}

// Broken answers every page with what is wrong: for the time in which no program runs.
func Broken(file string) wire.Handler {
	return Wrap(file, func(w *wire.Response, _ *wire.Request) error {
		text, err := Read(file)
		if err != nil {
			return err
		}
		if err := errors.Join(w.SetHeader("Cache-Control", "no-store"), w.SetHeader("Retry-After", "1")); err != nil {
			return err
		}
		escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
		return w.Send(503, "text/html; charset=utf-8", []byte("<!doctype html><meta charset=\"utf-8\"><title>it does not build</title><h1>No program runs</h1><pre>"+escape.Replace(text)+"</pre>"))
	})
}

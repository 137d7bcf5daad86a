package wire

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		if got, ok := ParseTime(s); !ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "0", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT"} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("%q: %v, want none", s, got)
		}
	}
	ahead := time.Now().UTC().AddDate(20, 0, 0)
	if got, ok := ParseTime(ahead.Format("Monday, 02-Jan-06 15:04:05 GMT")); !ok || got.Year() != ahead.Year() {
		t.Errorf("twenty years ahead: %v, %v", got, ok)
	}
	if s := string(AppendTime(nil, want.In(time.FixedZone("", 3600)))); s != "Sun, 06 Nov 1994 08:49:37 GMT" {
		t.Error(s)
	}
}

func TestMatchETag(t *testing.T) {
	for _, c := range []struct {
		list, tag    string
		strong, weak bool
	}{
		// the table of RFC 9110 §8.8.3.2
		{`W/"1"`, `W/"1"`, false, true},
		{`W/"1"`, `W/"2"`, false, false},
		{`W/"1"`, `"1"`, false, true},
		{`"1"`, `"1"`, true, true},
		{`"1"`, `W/"1"`, false, true},
		{`*`, `"1"`, true, true},
		{`*`, ``, false, false},
		{`"0", "1"`, `"1"`, true, true},
		{`"0" ,, W/"1",`, `"1"`, false, true},
		{`"0,"1"`, `"1"`, false, false},
		{`"a,b"`, `"a,b"`, true, true},
		{`"a,b"`, `"a`, false, false},
		{`""`, `""`, true, true},
		{`1`, `"1"`, false, false},
		{`"1`, `"1"`, false, false},
		{`bad, "1"`, `"1"`, false, false},
		{`"0"x, "1"`, `"1"`, false, false},
		{`w/"1"`, `"1"`, false, false},
		{`"é"`, `"é"`, true, true},
		{``, `"1"`, false, false},
	} {
		if got := MatchETag(c.list, c.tag, false); got != c.strong {
			t.Errorf("%s against %s, strong: %v", c.list, c.tag, got)
		}
		if got := MatchETag(c.list, c.tag, true); got != c.weak {
			t.Errorf("%s against %s, weak: %v", c.list, c.tag, got)
		}
	}
}

var changed = time.Date(2020, 5, 17, 12, 0, 0, 500, time.UTC)

const (
	before = "Sun, 17 May 2020 11:59:59 GMT"
	same   = "Sun, 17 May 2020 12:00:00 GMT"
	after  = "Sun, 17 May 2020 12:00:01 GMT"
)

var preconditionCases = []struct {
	section, method, fields string
	want                    int
	theirs                  int // what net/http says where that differs; 0 otherwise
}{
	{"none", "GET", "", 0, 0},
	{"§13.1.1", "GET", `If-Match: "1"`, 0, 0},
	{"§13.1.1", "PUT", `If-Match: "1"`, 0, 0},
	{"§13.1.1", "PUT", `If-Match: "2"`, 412, 0},
	{"§13.1.1 strong", "PUT", `If-Match: W/"1"`, 412, 0},
	{"§13.1.1 any", "PUT", `If-Match: *`, 0, 0},
	{"§13.1.1 two fields", "PUT", "If-Match: \"2\"\r\nIf-Match: \"1\"", 0, 412},
	{"§13.1.1 malformed", "PUT", `If-Match: 1`, 412, 0},
	{"§13.1.2", "GET", `If-None-Match: "1"`, 304, 0},
	{"§13.1.2", "HEAD", `If-None-Match: "1"`, 304, 0},
	{"§13.1.2 weak", "GET", `If-None-Match: "0", W/"1"`, 304, 0},
	{"§13.1.2", "PUT", `If-None-Match: "1"`, 412, 0},
	{"§13.1.2 any", "PUT", `If-None-Match: *`, 412, 0},
	{"§13.1.2", "GET", `If-None-Match: "2"`, 0, 0},
	{"§13.1.2 malformed", "GET", `If-None-Match: 1`, 0, 0},
	{"§13.1.3", "GET", "If-Modified-Since: " + same, 304, 0},
	{"§13.1.3", "GET", "If-Modified-Since: " + after, 304, 0},
	{"§13.1.3", "GET", "If-Modified-Since: " + before, 0, 0},
	{"§13.1.3 no date", "GET", "If-Modified-Since: yesterday", 0, 0},
	{"§13.1.3 for reads only", "PUT", "If-Modified-Since: " + same, 0, 0},
	{"§13.1.3 If-None-Match goes first", "GET", "If-None-Match: \"2\"\r\nIf-Modified-Since: " + same, 0, 0},
	{"§13.1.4", "PUT", "If-Unmodified-Since: " + same, 0, 0},
	{"§13.1.4", "PUT", "If-Unmodified-Since: " + before, 412, 0},
	{"§13.1.4 no date", "PUT", "If-Unmodified-Since: never", 0, 0},
	{"§13.1.4 If-Match goes first", "PUT", "If-Match: \"1\"\r\nIf-Unmodified-Since: " + before, 0, 0},
	{"§13.2.2 412 before 304", "GET", "If-Match: \"2\"\r\nIf-None-Match: \"1\"", 412, 0},
	{"§13.2.2 both hold", "GET", "If-Match: \"1\"\r\nIf-None-Match: \"1\"", 304, 0},
	{"§13.2.2 dates together", "GET", "If-Unmodified-Since: " + after + "\r\nIf-Modified-Since: " + same, 304, 0},
}

func requestOf(t testing.TB, method, fields string) *Request {
	t.Helper()
	if fields != "" {
		fields += "\r\n"
	}
	r := &Request{&heldRequest{}}
	if _, err := r.head.parse([]byte(method+" /f HTTP/1.1\r\nHost: t\r\n"+fields+"\r\n"), 1<<20, 100); err != nil {
		t.Fatalf("%s %q: %v", method, fields, err)
	}
	return r
}

// theirStatus asks net/http's ServeContent, which knows 206, 304 and 412.
func theirStatus(method, fields string, size int) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/f", nil)
	for line := range strings.SplitSeq(fields, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Type", "text/plain")
	http.ServeContent(w, r, "f", changed, strings.NewReader(strings.Repeat("0123456789", size/10)))
	return w
}

func TestPreconditions(t *testing.T) {
	for _, c := range preconditionCases {
		r := requestOf(t, c.method, c.fields)
		if got := CheckPreconditions(r, Representation{ETag: `"1"`, Modified: changed}); got != c.want {
			t.Errorf("%s: %s %q: %d, want %d", c.section, c.method, c.fields, got, c.want)
		}
		want := c.want
		if c.theirs != 0 {
			want = c.theirs
		}
		if got := theirStatus(c.method, c.fields, 100).Code; got != max(want, 200) {
			t.Errorf("%s: %s %q: net/http says %d, the table %d", c.section, c.method, c.fields, got, want)
		}
		if got := CheckPreconditions(r, Representation{}); c.want == 304 && strings.Contains(c.fields, "Modified") && got != 0 {
			t.Errorf("%s: without validators: %d", c.section, got)
		}
	}
	for _, c := range []struct {
		fields string
		want   int
	}{{`If-Match: *`, 412}, {`If-Match: "1"`, 412}, {`If-None-Match: *`, 0}, {`If-None-Match: "1"`, 0}, {"If-Unmodified-Since: " + before, 0}, {"If-Modified-Since: " + after, 0}} {
		if got := CheckPreconditions(requestOf(t, "PUT", c.fields), Representation{ETag: `"1"`, Modified: changed, Missing: true}); got != c.want {
			t.Errorf("nothing there: %q: %d, want %d", c.fields, got, c.want)
		}
	}
	r := requestOf(t, "GET", `If-None-Match: "0", "1"`)
	if n := testing.AllocsPerRun(100, func() { CheckPreconditions(r, Representation{ETag: `"1"`}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// tagList is a list of entity tags (RFC 9110 §5.6.1, §8.8.3).
var tagList = regexp.MustCompile(`^[ \t,]*((W/)?"[^"]*"[ \t]*(,[ \t,]*|$))*$`)

// FuzzPreconditions agrees with net/http. Not compared: several fields of a name, of which
// net/http sees the first, and a * within a list, which is any tag there and malformed
// here (RFC 9110 §13.1.1).
func FuzzPreconditions(f *testing.F) {
	f.Add(uint8(0), `"1"`, `"1"`, same, before)
	f.Add(uint8(2), `*`, ``, after, same)
	f.Add(uint8(1), ``, `W/"1",`, ``, ``)
	f.Fuzz(func(t *testing.T, method uint8, match, none, since, unmodified string) {
		var lines []string
		for i, v := range []string{match, none, since, unmodified} {
			v = strings.Trim(v, " \t")
			if v == "" {
				continue
			}
			if !all(v, classValue) || len(v) > 1 && strings.Contains(v, "*") {
				return
			}
			if i < 2 && v != "*" && !tagList.MatchString(v) {
				return // net/http reads on behind what is no list, we stop there
			}
			lines = append(lines, []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}[i]+": "+v)
		}
		m := []string{"GET", "HEAD", "PUT"}[method%3]
		fields := strings.Join(lines, "\r\n")
		got := CheckPreconditions(requestOf(t, m, fields), Representation{ETag: `"1"`, Modified: changed})
		if want := theirStatus(m, fields, 100).Code; max(got, 200) != want {
			t.Errorf("%s %q: %d, net/http %d", m, fields, got, want)
		}
	})
}

package wire

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"
)

// form writes parts as "head|body" under the boundary B, with CRLF for every line end.
func form(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		head, body, _ := strings.Cut(p, "|")
		b.WriteString("--B\r\n" + strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body + "\r\n")
	}
	return b.String() + "--B--\r\n"
}

func field(name string) string { return `Content-Disposition: form-data; name="` + name + `"` }

// multipartCases: want is "name(file)=content" of each part, or the status of the error.
var multipartCases = []struct{ section, body, want string }{
	{"2046 §5.1.1 two parts", form(field("a")+"|1", field("b")+"|2"), "a=1 b=2"},
	{"no close line end", "--B\r\n" + field("a") + "\r\n\r\n1\r\n--B--", "a=1"},
	{"epilogue", form(field("a")+"|1") + "anything --B\r\n--B\r\n", "a=1"},
	{"preamble", "This is a preamble.\r\n" + form(field("a")+"|1"), "a=1"},
	{"empty preamble line", "\r\n" + form(field("a")+"|1"), "a=1"},
	{"padding behind the last", "--B-- \t", ""},
	{"padding", "--B \t \r\n" + field("a") + "\r\n\r\n1\r\n--B--  \r\n", "a=1"},
	{"no parts at all", "--B--\r\n", ""},
	{"empty value", form(field("a") + "|"), "a="},
	{"no content behind the header section", "--B\r\n" + field("a") + "\r\n\r\n--B--", "a="},
	{"line ends stay", form(field("a") + "|1\r\n\r\n2\n3\r"), "a=1\r\n\r\n2\n3\r"},
	{"nearly a delimiter", form(field("a") + "|x\r\n--A\r\n-B\r\n--\r\r\n--"), "a=x\r\n--A\r\n-B\r\n--\r\r\n--"},
	{"delimiter after LF alone is content", form(field("a") + "|x\n--B\n"), "a=x\n--B\n"},
	{"dash-boundary inside a line", form(field("a") + "|x--B--"), "a=x--B--"},
	{"7578 §4.2 file", form(field("f") + "; filename=\"x.txt\"\nContent-Type: text/plain|data"), "f(x.txt text/plain)=data"},
	{"7578 §4.2 path is cut", form(field("f")+`; filename="C:\dir\x.txt"|1`, field("g")+`; filename="../../etc/passwd"|2`), "f(x.txt )=1 g(passwd )=2"},
	{"names that are no names", form(field("f")+`; filename=".."|1`, field("g")+`; filename="a/"|2`), "f( )=1 g( )=2"},
	{"token values", form(`content-disposition: FORM-DATA; NAME=a; FileName=b|1`), "a(b )=1"},
	{"quoted quote and backslash", form(`Content-Disposition: form-data; name="a\"b\\c"|1`), `a"b\c=1`},
	{"percent is not decoded", form(field("a%22b") + "|1"), "a%22b=1"},
	{"semicolon in quotes", form(field("a;b") + `; x="; name=c"|1`), "a;b=1"},
	{"7578 §4.2 filename* does not count", form(field("a") + "; filename*=UTF-8''x|1"), "a=1"},
	{"UTF-8 names", form(field("é") + `; filename="ü"|1`), "é(ü )=1"},
	{"other fields", form("X-A: b\n" + field("a") + "\nContent-Transfer-Encoding: binary|1"), "a=1"},
	{"same name twice", form(field("a")+"|1", field("a")+"|2"), "a=1 a=2"},

	{"empty body", "", "400"},
	{"no delimiter", "hello", "400"},
	{"other boundary", strings.ReplaceAll(form(field("a")+"|1"), "--B", "--C"), "400"},
	{"line ends of LF", strings.ReplaceAll(form(field("a")+"|1"), "\r\n", "\n"), "400"},
	{"no close delimiter", strings.TrimSuffix(form(field("a")+"|1"), "--\r\n"), "a=1 400"},
	{"ends in the content", "--B\r\n" + field("a") + "\r\n\r\n1", "a=1 400"},
	{"ends in the header section", "--B\r\n" + field("a") + "\r\n", "400"},
	{"boundary goes on", "--B\r\n" + field("a") + "\r\n\r\n1\r\n--Bx\r\n", "a=1 400"},
	{"close delimiter goes on", "--B\r\n" + field("a") + "\r\n\r\n1\r\n--B--x", "a=1 400"},
	{"close delimiter, CR alone", "--B--\r", "400"},
	{"close delimiter, LF alone", "--B--\n", "400"},
	{"one dash", "--B\r\n" + field("a") + "\r\n\r\n1\r\n--B-\r\n", "a=1 400"},
	{"CR without LF behind the boundary", "--B\rx", "400"},
	{"too much padding", "--B" + strings.Repeat(" ", 65) + "\r\n" + field("a") + "\r\n\r\n1\r\n--B--", "400"},
	{"long preamble", strings.Repeat("x", 5000) + "\r\n" + form(field("a")+"|1"), "400"},
	{"no header section", form("|1"), "400"},
	{"no Content-Disposition", form("Content-Type: text/plain|1"), "400"},
	{"two Content-Dispositions", form(field("a") + "\n" + field("b") + "|1"), "400"},
	{"not form-data", form(`Content-Disposition: attachment; name="a"|1`), "400"},
	{"no name", form(`Content-Disposition: form-data; filename="a"|1`), "400"},
	{"two names", form(field("a") + "; name=b|1"), "400"},
	{"two file names", form(field("a") + "; filename=b; filename=c|1"), "400"},
	{"open quote", form(`Content-Disposition: form-data; name="a|1`), "400"},
	{"rubbish behind a value", form(field("a") + "x|1"), "400"},
	{"7578 §4.7 transfer encoding", form(field("a") + "\nContent-Transfer-Encoding: base64|MQ=="), "400"},
	{"folded line", form(field("a") + "\nX-A: b\n c|1"), "400"},
	{"blank before the colon", form(field("a") + "\nX-A : b|1"), "400"},
	{"line without colon", form(field("a") + "\nX-A|1"), "400"},
	{"control byte", form(field("a\x00") + "|1"), "400"},
	{"LF in the header section", "--B\r\n" + field("a") + "\nX-A: b\r\n\r\n1\r\n--B--", "400"},
	{"large header section", form(field("a") + "\nX-A: " + strings.Repeat("x", 4096) + "|1"), "413"},
	{"many header lines", form(field("a") + strings.Repeat("\nX-A: b", 16) + "|1"), "413"},
}

// partsText reads all parts.
func partsText(m *multipartBody) string {
	var out []string
	for {
		p, err := m.nextPart()
		if err == io.EOF {
			break
		}
		if err == nil {
			var b []byte
			if b, err = io.ReadAll(p); true {
				s := p.Name
				if p.IsFile {
					s += "(" + p.FileName + " " + p.Type + ")"
				}
				out = append(out, s+"="+string(b))
			}
		}
		if err != nil {
			out = append(out, fmt.Sprint(err.(*Error).Status))
			break
		}
	}
	return strings.Join(out, " ")
}

func readerOf(src io.Reader, boundary string, l FormLimits) *multipartBody {
	l.defaults()
	return &multipartBody{src: src, scan: newMultipartScanner(boundary, l.MaxPartHead), limits: l, big: make([]byte, max(l.MaxPartHead+minMultipartBuffer, 1<<13))}
}

// cutReader gives b in two pieces.
func cutReader(b string, at int) io.Reader {
	return io.MultiReader(strings.NewReader(b[:at]), strings.NewReader(b[at:]))
}

func TestMultipart(t *testing.T) {
	for _, c := range multipartCases {
		if got := partsText(readerOf(strings.NewReader(c.body), "B", FormLimits{})); got != c.want {
			t.Errorf("%s: %q, want %q", c.section, got, c.want)
			continue
		}
		if got := partsText(readerOf(iotest.OneByteReader(strings.NewReader(c.body)), "B", FormLimits{})); got != c.want {
			t.Errorf("%s, byte by byte: %q, want %q", c.section, got, c.want)
		}
		for at := range min(len(c.body), 300) {
			if got := partsText(readerOf(cutReader(c.body, at), "B", FormLimits{})); got != c.want {
				t.Errorf("%s, cut at %d: %q, want %q", c.section, at, got, c.want)
			}
		}
	}
}

// TestMultipartSkips: parts that are left unread or half read do not disturb the next.
func TestMultipartSkips(t *testing.T) {
	body := form(field("a")+"|"+strings.Repeat("x", 50_000), field("b")+"|0123456789", field("c")+"|last")
	m := readerOf(strings.NewReader(body), "B", FormLimits{})
	if p, err := m.nextPart(); err != nil || p.Name != "a" {
		t.Fatal(p, err)
	}
	p, err := m.nextPart()
	if err != nil {
		t.Fatal(err)
	}
	two := make([]byte, 2)
	if _, err := io.ReadFull(p, two); err != nil || string(two) != "01" {
		t.Fatalf("%q, %v", two, err)
	}
	last, err := m.nextPart()
	if err != nil || last.Name != "c" {
		t.Fatal(last, err)
	}
	if n, err := p.Read(two); n != 0 || err != io.EOF {
		t.Errorf("a part that is over gives %d bytes, %v", n, err)
	}
	if b, err := io.ReadAll(last); string(b) != "last" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestBoundary(t *testing.T) {
	long := strings.Repeat("b", 70)
	for _, c := range []struct {
		section, line, want string
		status              int
	}{
		{"2046 §5.1.1", "multipart/form-data; boundary=abc", "abc", 0},
		{"quoted", `Multipart/Form-Data ; charset=utf-8; BOUNDARY="a b:c"`, "a b:c", 0},
		{"browsers", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "----WebKitFormBoundary7MA4YWxkTrZu0gW", 0},
		{"70 bytes", "multipart/form-data; boundary=" + long, long, 0},
		{"71 bytes", "multipart/form-data; boundary=b" + long, "", 400},
		{"empty", `multipart/form-data; boundary=""`, "", 400},
		{"none", "multipart/form-data", "", 400},
		{"blank at the end", `multipart/form-data; boundary="a "`, "", 400},
		{"other bytes", `multipart/form-data; boundary="a*b"`, "", 400},
		{"twice", "multipart/form-data; boundary=a; boundary=b", "", 400},
		{"malformed", "multipart/form-data; boundary=a b", "", 400},
		{"two fields", "multipart/form-data; boundary=a\r\nContent-Type: multipart/form-data; boundary=b", "", 400},
		{"other type", "multipart/mixed; boundary=a", "", 415},
		{"no type", "", "", 415},
	} {
		got, err := boundaryOf(headOf(t, "Content-Type: "+c.line))
		status := 0
		if err != nil {
			status = err.(*Error).Status
		}
		if got != c.want || status != c.status {
			t.Errorf("%s: %q: %q, %v; want %q, %d", c.section, c.line, got, err, c.want, c.status)
		}
	}
}

// FuzzMultipart: any cut of the bytes gives the same result, and where the body is taken,
// mime/multipart finds the same parts in it. It takes more: LF for line ends, boundaries
// that go on, parts without a name, folded lines, a preamble of any length.
func FuzzMultipart(f *testing.F) {
	for _, c := range multipartCases {
		f.Add([]byte(c.body), uint16(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		limits := FormLimits{MaxPartHead: 300}
		got := partsText(readerOf(bytes.NewReader(body), "B", limits))
		at := int(cut) % (len(body) + 1)
		if split := partsText(readerOf(cutReader(string(body), at), "B", limits)); split != got {
			t.Errorf("%q cut at %d: %q, whole %q", body, at, split, got)
		}
		if slow := partsText(readerOf(iotest.OneByteReader(bytes.NewReader(body)), "B", limits)); slow != got {
			t.Errorf("%q byte by byte: %q, whole %q", body, slow, got)
		}
		if bytes.Contains(bytes.ReplaceAll(body, []byte("\r\n"), nil), []byte("\n--B")) {
			return // a boundary behind LF alone is one there, and content here
		}
		mine, theirs := readerOf(bytes.NewReader(body), "B", limits), multipart.NewReader(bytes.NewReader(body), "B")
		p, err := mine.nextPart()
		for err == nil {
			b, rerr := io.ReadAll(p)
			last := p
			if p, err = mine.nextPart(); rerr != nil || err != nil && err != io.EOF {
				return // what ends the part is refused here
			}
			q, qerr := theirs.NextRawPart()
			if qerr != nil {
				t.Fatalf("%q: part %q is taken, mime/multipart says %v", body, last.Name, qerr)
			}
			c, qerr := io.ReadAll(q)
			if qerr != nil || !bytes.Equal(b, c) {
				t.Errorf("%q: part %q is %q, mime/multipart %q, %v", body, last.Name, b, c, qerr)
			}
			// There a backslash takes itself away in front of any special character, here only of
			// quotes and backslashes, as browsers write them.
			if name := q.FormName(); name != "" && name != last.Name && !strings.Contains(last.Name, `\`) {
				t.Errorf("%q: name %q, mime/multipart %q", body, last.Name, name)
			}
		}
		if err != io.EOF {
			return
		}
		if q, err := theirs.NextRawPart(); err != io.EOF {
			t.Errorf("%q: mime/multipart finds another part: %v, %v", body, q, err)
		}
	})
}

func BenchmarkMultipart(b *testing.B) {
	body := []byte(form(field("a")+"|1", field("f")+`; filename="x"|`+strings.Repeat("\r\n-some content", 1<<16), field("b")+"|2"))
	b.Run("wire", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			m := readerOf(bytes.NewReader(body), "B", FormLimits{})
			for {
				p, err := m.nextPart()
				if err == io.EOF {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, p); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("mime", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			m := multipart.NewReader(bytes.NewReader(body), "B")
			for {
				p, err := m.NextRawPart()
				if err == io.EOF {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, p); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

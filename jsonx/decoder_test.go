package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// streams are rows of several texts, or of one at fault, for all that reads streams.
var streams = []string{
	"{\"a\":[1,\"x\\\"}é\"]} 12 true\n\"s\"[ ]-1.5e3 null", "{\"a\":1}\r\n{\"a\":2}\r\n\r\n[3]\n", "", " \n", "1 2 3", "1\n22\n333", `"a""b"{}[]true`,
	`[[[]],{"x":{"y":[{}]}},"\ud83d\ude00",0.1e-7]`, "[\n  \"日本語\",\n  \"\U0001F600\", x", `{"a/b":{"m~n":[1,2,{"":[}`, `[1,2`, `[1,2,`, `{"a"`, `{"a":`, `{"a":1`,
	`{"a":1,`, `{"a":1,}`, `[1,]`, `[,]`, `[1 2]`, `{"a":1 "b":2}`, `{"a" 1}`, `{1:2}`, `{]`, `[}`, `]`, `}`, `,`, `:`, `1 ,2`, `truefalse`, `1true`, `true1`, `01`, `[01]`, `1-2`,
	`nul`, `nulx`, `[tru]`, `"abc`, "\"a\tb\"", `"\x"`, `"\ud800"`, `"\ud800\`, "\"\xe6\x97", "\"\xe6\x97\"", "\"\xff\"", `-`, `[-]`, `1.`, `1e`, `1e+`, `1.5.5`, `[1e5e5]`, `NaN`,
	`{"a":1,"a":2}`, `{"x":{"a":1,"b":2,"\u0061":3}}`, `[{"a":1},{"a":1}]`, `{"k":[1,{"k":2}],"l":3} {"k":1}`, "\ufeff1", `{"a":{"b":{"c":1}}}}`, `[[1]]]`, "1\x00", `"\u12`, `{"b":tr`,
}

// inPieces gives out text in reads cut at the offsets.
func inPieces(text string, cuts ...int) io.Reader {
	var parts []io.Reader
	from := 0
	for _, to := range append(cuts, len(text)) {
		parts = append(parts, strings.NewReader(text[from:to]))
		from = to
	}
	return io.MultiReader(parts...)
}

// tokensOf lists what a Decoder reads, one token a line, then the error with all its facts.
func tokensOf(r io.Reader, opts ...Option) string {
	var b strings.Builder
	d := NewDecoder(r, opts...)
	for {
		kind, perr := d.PeekKind()
		t, err := d.ReadToken()
		if perr == nil && err == nil && kind != t.Kind() {
			fmt.Fprintf(&b, "peeked %v\n", kind)
		}
		if err != nil {
			fmt.Fprintf(&b, "%s", facts(err))
			return b.String()
		}
		fmt.Fprintf(&b, "%d %v %s %q %q\n", d.Offset(), t.Kind(), t.Raw(), t.String(), d.Pointer())
	}
}

func facts(err error) string {
	if se, ok := errors.AsType[*SyntaxError](err); ok {
		return fmt.Sprintf("%d %d:%d %q expected %s: %v", se.Offset, se.Line, se.Column, se.Pointer, se.Expected, se.Err)
	}
	return err.Error()
}

func valuesOf(r io.Reader, opts ...Option) string {
	var b strings.Builder
	for d := NewDecoder(r, opts...); ; {
		more := d.More()
		raw, err := d.ReadValue()
		if more != (err != io.EOF) {
			fmt.Fprintf(&b, "More said %v\n", more)
		}
		if err != nil {
			fmt.Fprintf(&b, "%s", facts(err))
			return b.String()
		}
		fmt.Fprintf(&b, "%d %s\n", d.Offset(), raw)
	}
}

func skipsOf(r io.Reader) string {
	var b strings.Builder
	for d := NewDecoder(r); ; {
		if err := d.SkipValue(); err != nil {
			fmt.Fprintf(&b, "%s", facts(err))
			return b.String()
		}
		fmt.Fprintf(&b, "%d\n", d.Offset())
	}
}

func allStreams() []string {
	all := append([]string(nil), streams...)
	for _, c := range texts {
		if len(c.text) < 100 {
			all = append(all, c.text)
		}
	}
	return all
}

// The same tokens, values, positions and errors, however a text is cut into reads.
func TestEverySplit(t *testing.T) {
	for _, text := range allStreams() {
		tokens, values, skips := tokensOf(strings.NewReader(text)), valuesOf(strings.NewReader(text)), skipsOf(strings.NewReader(text))
		same := func(how string, reader func() io.Reader) {
			t.Helper()
			if got := tokensOf(reader()); got != tokens {
				t.Errorf("%q %s: tokens\n%s\nwant\n%s", text, how, got, tokens)
			}
			if got := valuesOf(reader()); got != values {
				t.Errorf("%q %s: values\n%s\nwant\n%s", text, how, got, values)
			}
			if got := skipsOf(reader()); got != skips {
				t.Errorf("%q %s: skipped\n%s\nwant\n%s", text, how, got, skips)
			}
		}
		for i := range text {
			same(fmt.Sprintf("cut at %d", i), func() io.Reader { return inPieces(text, i) })
			for j := i + 1; j < len(text) && len(text) < 30; j++ {
				same(fmt.Sprintf("cut at %d and %d", i, j), func() io.Reader { return inPieces(text, i, j) })
			}
		}
		same("by single bytes", func() io.Reader { return iotest.OneByteReader(strings.NewReader(text)) })
		same("with the end beside the last byte", func() io.Reader { return iotest.DataErrReader(strings.NewReader(text)) })
		last := func(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }
		if last(tokens) != last(values) || last(values) != last(skips) {
			t.Errorf("%q ends differently:\n%s\n%s\n%s", text, last(tokens), last(values), last(skips))
		}
	}
}

// A Decoder judges one text as Valid and Unmarshal do, and says the same about it.
func TestDecoderAgreesWithMemory(t *testing.T) {
	for _, text := range allStreams() {
		var raw RawValue
		err := Unmarshal([]byte(text), &raw)
		d := NewDecoder(strings.NewReader(text))
		v, derr := d.ReadValue()
		if derr == nil {
			if string(v) != string(raw) && err == nil {
				t.Errorf("%q: %q, want %q", text, v, raw)
			}
			if d.More() == (err == nil) {
				t.Errorf("%q: more after it, but %v", text, err)
			}
			continue
		}
		if derr == io.EOF {
			derr = &SyntaxError{Offset: int64(len(text)), Line: 1 + strings.Count(text, "\n"), Column: 1, Expected: wantValue, Err: io.ErrUnexpectedEOF}
			if strings.TrimSpace(text) != "" {
				t.Errorf("%q: EOF", text)
			}
			if _, ok := errors.AsType[*SyntaxError](err); !ok || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err == nil || facts(err) != facts(derr) {
			t.Errorf("%q: %v\nin memory: %v", text, derr, err)
		}
	}
}

func TestDecoderPositions(t *testing.T) {
	for _, c := range []struct {
		text, pointer, expected string
		offset                  int64
		line, column            int
		err                     error
	}{
		{"{\"a\":[1,\n  {\"b/c\" : [tru]}]}", "/a/1/b~1c/0", "true", 24, 2, 16, nil},
		{"[\"日本\",\n\"日本\", x]", "/2", "value", 21, 2, 7, nil},
		{"[\"日本\", x]", "/1", "value", 11, 1, 8, nil},
		{"1\n2\n[3,", "/1", "value", 7, 3, 4, io.ErrUnexpectedEOF},
		{"{\"a\":{\"b\":1,\"b\":2}}", "/a/b", "a name not used before", 12, 1, 13, ErrDuplicateName},
	} {
		for _, read := range []func() error{
			func() error {
				d := NewDecoder(iotest.OneByteReader(strings.NewReader(c.text)))
				for {
					if _, err := d.ReadToken(); err != nil {
						return err
					}
				}
			},
			func() error {
				for d := NewDecoder(iotest.HalfReader(strings.NewReader(c.text))); ; {
					if _, err := d.ReadValue(); err != nil {
						return err
					}
				}
			},
		} {
			se, ok := errors.AsType[*SyntaxError](read())
			if !ok || se.Offset != c.offset || se.Line != c.line || se.Column != c.column || se.Pointer != c.pointer || se.Expected != c.expected || se.Err != c.err {
				t.Errorf("%q: %#v", c.text, se)
			}
		}
	}
}

// What does not fit its Go type is said where it is in the stream, and reading goes on after it.
func TestDecodePositions(t *testing.T) {
	const text = "{\"list\":[{\"n\":1},\n \"é\", {\"n\":\"x\"},\n{\n\"n\":{}}, {\"n\":4}]}\n{\"n\":[]}"
	d := NewDecoder(iotest.OneByteReader(strings.NewReader(text)))
	var got []string
	for {
		kind, err := d.PeekKind()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if kind == Object && d.Depth() != 0 || d.Offset() > 50 && kind == Object {
			var v struct {
				N int `json:"n"`
			}
			err := d.Decode(&v)
			if e, ok := errors.AsType[*UnmarshalError](err); ok {
				got = append(got, fmt.Sprintf("%d:%d %s %.3q", e.Line, e.Column, e.Pointer, text[e.Offset:]))
			} else {
				got = append(got, fmt.Sprint(v.N, err))
			}
			continue
		}
		if _, err := d.ReadToken(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"1 <nil>", `2:12 /list/2/n "\"x\""`, `4:5 /list/3/n "{}}"`, "4 <nil>", `5:6 /n "[]}"`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestDecoderLimits(t *testing.T) {
	long := strings.Repeat("x", 1000)
	endless := func(head, unit string) io.Reader {
		return io.MultiReader(strings.NewReader(head), &repeat{unit: unit, n: 1 << 40})
	}
	for _, c := range []struct {
		name string
		r    io.Reader
		opt  Option
		want error
	}{
		{"depth", endless("", "["), MaxDepth(100), ErrTooDeep},
		{"default depth", endless("", `{"a":`), MaxMembers(5), ErrTooDeep},
		{"one string", endless(`"`, "x"), MaxBytes(10_000), ErrTooLarge},
		{"one string, its own limit", endless(`["`, "x"), MaxStringBytes(10_000), ErrStringTooLong},
		{"one name", endless(`{"`, "x"), MaxStringBytes(10_000), ErrStringTooLong},
		{"one number", endless("", "1"), MaxBytes(10_000), ErrTooLarge},
		{"digits after the point", endless("[1.", "1"), MaxBytes(10_000), ErrTooLarge},
		{"short string", strings.NewReader(`["` + long + `"]`), MaxStringBytes(999), ErrStringTooLong},
		{"short enough string", strings.NewReader(`["` + long + `"]`), MaxStringBytes(1000), io.EOF},
		{"members", strings.NewReader(`{"a":1,"b":2}`), MaxMembers(1), ErrTooManyMembers},
		{"members of each", strings.NewReader(`[{"a":1},{"b":{"c":2}}]`), MaxMembers(1), io.EOF},
	} {
		text := tokensOf(c.r, c.opt)
		if last := text[strings.LastIndexByte(text, '\n')+1:]; !strings.HasSuffix(last, c.want.Error()) {
			t.Errorf("%s: %s", c.name, last)
		}
	}
	for _, c := range []struct {
		r    io.Reader
		opt  Option
		want error
	}{
		{endless("[", "1,"), MaxBytes(100_000), ErrTooLarge}, {endless(`{"a":[`, `"\u0041",`), MaxBytes(100_000), ErrTooLarge},
		{strings.NewReader("[1]"), MaxBytes(2), ErrTooLarge}, {strings.NewReader("[1] [2,3]"), MaxBytes(3), ErrTooLarge},
		{strings.NewReader("[1] [2] 345 \"6\""), MaxBytes(3), io.EOF}, {strings.NewReader("1234"), MaxBytes(3), ErrTooLarge},
	} {
		if text := valuesOf(c.r, c.opt); !strings.HasSuffix(text, c.want.Error()) {
			t.Errorf("%s, want %v", text, c.want)
		}
	}
}

// repeat reads as n bytes: unit over and over.
type repeat struct {
	unit string
	n    int64
	at   int
}

func (r *repeat) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) && r.n > 0 {
		k := copy(b[n:min(len(b), n+int(min(r.n, 1<<30)))], r.unit[r.at:])
		r.at = (r.at + k) % len(r.unit)
		n += k
		r.n -= int64(k)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A long stream needs the memory of a short one: 1 GiB with LITHAIR_LONG=1, 16 MiB otherwise.
func TestConstantMemory(t *testing.T) {
	size := int64(16 << 20)
	if os.Getenv("LITHAIR_LONG") != "" {
		size = 1 << 30
	}
	const unit = `{"id":12345,"name":"a name of some length \u00e9","tags":["one","two","three"],"price":12.5,"nested":{"deep":[[[]]]}}`
	for _, c := range []struct {
		name string
		unit string
		read func(*Decoder) error
	}{
		{"tokens of one array", unit + ",", func(d *Decoder) error { _, err := d.ReadToken(); return err }},
		{"elements of one array", unit + ",", func(d *Decoder) error {
			if d.Depth() == 0 {
				_, err := d.ReadToken()
				return err
			}
			_, err := d.ReadValue()
			return err
		}},
		{"NDJSON", unit + "\n", func(d *Decoder) error { _, err := d.ReadValue(); return err }},
		{"one skipped array", unit + ",", func(d *Decoder) error { return d.SkipValue() }},
	} {
		head := ""
		if strings.HasSuffix(c.unit, ",") {
			head = "["
		}
		d := NewDecoder(io.MultiReader(strings.NewReader(head), &repeat{unit: c.unit, n: size / int64(len(c.unit)) * int64(len(c.unit))}))
		var err error
		n := 0
		bytes := allocated(func() {
			for err == nil {
				err = c.read(d)
				n++
			}
		})
		if d.Offset() < size-1000 || err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: stopped at %d: %v", c.name, d.Offset(), err)
		}
		if bytes > 1<<20 {
			t.Errorf("%s: %d bytes allocated for %d of text", c.name, bytes, size)
		}
		t.Logf("%s: %d bytes of text, %d calls, %d bytes allocated", c.name, d.Offset(), n, bytes)
	}
}

// Long tokens and values that come in single bytes are looked at once; looking from the start each time would take
// hours here.
func TestSmallReadsAreLinear(t *testing.T) {
	const n = 1 << 20
	for _, text := range []string{
		`"` + strings.Repeat("x", n) + `"`, `"` + strings.Repeat(`\u0041é`, n/8) + `"`, strings.Repeat("1", n) + " ", "0." + strings.Repeat("0", n) + "1 ",
		"[" + strings.Repeat("1,", n/2) + "1]", `{"a":"` + strings.Repeat("y", n) + `"}`, strings.Repeat(" ", n) + "1 ",
	} {
		raw, err := NewDecoder(iotest.OneByteReader(strings.NewReader(text))).ReadValue()
		if err != nil || string(raw) != strings.TrimSpace(text) {
			t.Errorf("%.20q: %d bytes, %v", text, len(raw), err)
		}
	}
}

func TestReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", " ", "[1", `{"a"`, `"abc`, "12", "tru", "[1,2]"} {
		d := NewDecoder(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		if text == "[1,2]" {
			if raw, err := d.ReadValue(); err != nil || string(raw) != text {
				t.Errorf("before the error: %s %v", raw, err)
			}
		}
		if text == "12" { // the number may go on where the reader failed
			if _, err := d.ReadValue(); err != nil && err != broken {
				t.Errorf("%q: %v", text, err)
			}
		}
		for range 2 {
			if _, err := d.ReadValue(); err != broken || !d.More() {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	if _, err := NewDecoder(stuck{}).ReadToken(); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestDecoderMixture(t *testing.T) {
	d := NewDecoder(strings.NewReader(`{"meta":{"n":2},"items":[{"id":1},{"id":2}],"skip":[[1],{"x":[]}],"tail":7} "next"`))
	var got []string
	step := func(s string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		got = append(got, s)
	}
	token := func() { t.Helper(); tok, err := d.ReadToken(); step(tok.String(), err) }
	value := func() { t.Helper(); raw, err := d.ReadValue(); step(string(raw), err) }
	token() // {
	token() // meta
	value()
	token() // items
	token() // [
	for d.More() {
		var item struct{ ID int }
		step(fmt.Sprint(d.Pointer()), d.Decode(&item))
	}
	if _, err := d.ReadValue(); err != ErrNoValue {
		t.Errorf("at the end of an array: %v", err)
	}
	token() // ]
	value() // "skip", a name read as a value
	step("skipped", d.SkipValue())
	token() // tail
	value()
	if d.More() {
		t.Error("more members")
	}
	token() // }
	token()
	want := `{ meta {"n":2} items [ /items/0 /items/1 ] "skip" skipped tail 7 } next`
	if s := strings.Join(got, " "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		t.Error(err)
	}
}

func TestDecoderAllocates(t *testing.T) {
	d := NewDecoder(&repeat{unit: "{\"a\":[1,true,\"x\"],\"b\":{\"c\\n\":null}}\n", n: 1 << 30})
	for range 100 {
		if err := d.SkipValue(); err != nil {
			t.Fatal(err)
		}
	}
	for name, read := range map[string]func(){
		"tokens": func() { d.ReadToken() }, "skipped values": func() { d.SkipValue() },
	} {
		if n := testing.AllocsPerRun(10_000, read); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for i, text := range allStreams() {
		f.Add([]byte(text), uint16(i), uint16(3*i))
	}
	f.Fuzz(func(t *testing.T, b []byte, i, j uint16) {
		text := string(b)
		cuts := []int{min(int(i), len(b)), len(b)}
		cuts[1] = min(cuts[0]+int(j), len(b))
		tokens := tokensOf(strings.NewReader(text))
		if got := tokensOf(inPieces(text, cuts...)); got != tokens {
			t.Fatalf("%q cut at %v:\n%s\nwant\n%s", text, cuts, got, tokens)
		}
		values := valuesOf(strings.NewReader(text))
		if got := valuesOf(iotest.OneByteReader(strings.NewReader(text))); got != values {
			t.Fatalf("%q by bytes:\n%s\nwant\n%s", text, got, values)
		}
		last := func(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }
		if last(tokens) != last(values) {
			t.Fatalf("%q: tokens end with\n%s\nvalues with\n%s", text, last(tokens), last(values))
		}
		// What the Encoder writes token by token is what Compact makes of it.
		var out bytes.Buffer
		e := NewEncoder(&out)
		d := NewDecoder(bytes.NewReader(b))
		want := []byte{}
		for v := NewDecoder(bytes.NewReader(b)); ; {
			raw, err := v.ReadValue()
			if err != nil {
				break
			}
			want, err = Compact(want, raw)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, '\n')
		}
		for {
			tok, err := d.ReadToken()
			if err != nil {
				break
			}
			if err := writeToken(e, tok); err != nil {
				t.Fatal(err)
			}
		}
		if e.Depth() == 0 && !bytes.Equal(normal(t, out.Bytes()), normal(t, want)) {
			t.Fatalf("%q: wrote %q, want %q", b, out.Bytes(), want)
		}
	})
}

// writeToken writes a token a Decoder has read.
func writeToken(e *Encoder, t Token) error {
	switch t.Kind() {
	case Object:
		return e.BeginObject()
	case Array:
		return e.BeginArray()
	case EndObject:
		return e.EndObject()
	case EndArray:
		return e.EndArray()
	case Name:
		return e.Name(t.String())
	case String:
		return e.String(t.String())
	case Bool:
		return e.Bool(t.Bool())
	case Null:
		return e.Null()
	}
	return e.Raw(t.Raw())
}

// normal gives every string of a stream of texts its shortest escapes.
func normal(t *testing.T, b []byte) (out []byte) {
	t.Helper()
	for d := NewDecoder(bytes.NewReader(b)); ; {
		tok, err := d.ReadToken()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if k := tok.Kind(); k == String || k == Name {
			out = AppendString(out, tok.String())
		} else {
			out = append(out, tok.Raw()...)
		}
		out = append(out, ' ')
	}
}

// Texts of a stream may touch where that can mean one thing only; encoding/json splits numbers and literals too.
func TestTextsThatTouch(t *testing.T) {
	for text, fits := range map[string]bool{`12true`: false, `true12`: false, `12"a"[1]{}`: true, `"a""b"`: true, "1 2": true} {
		d, ours := json.NewDecoder(strings.NewReader(text)), NewDecoder(strings.NewReader(text))
		var x any
		for d.Decode(&x) == nil {
		}
		if err := d.Decode(&x); err != io.EOF {
			t.Errorf("encoding/json has changed: %q %v", text, err)
		}
		var err error
		for err == nil {
			_, err = ours.ReadValue()
		}
		if fits != (err == io.EOF) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

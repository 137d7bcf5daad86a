package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestEncoderTokens(t *testing.T) {
	var out bytes.Buffer
	e := NewEncoder(&out)
	for i, err := range []error{
		e.BeginObject(), e.Name("s"), e.String("é\n"), e.Name("i"), e.Int(math.MinInt64), e.Name("u"), e.Uint(math.MaxUint64),
		e.Name("list"), e.BeginArray(), e.Float(0.1), e.Bool(true), e.Null(), e.Raw(RawValue(" [ 1 ] ")), e.Encode(map[string]int{"x": 1}),
		e.BeginObject(), e.EndObject(), e.EndArray(), e.EndObject(), e.Encode(1), e.BeginArray(), e.EndArray(),
	} {
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	const want = `{"s":"é\n","i":-9223372036854775808,"u":18446744073709551615,"list":[0.1,true,null,[1],{"x":1},{}]}` + "\n1\n[]\n"
	if out.String() != want {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
}

// A refused call changes nothing, so the text is as if it had not been made.
func TestEncoderRefuses(t *testing.T) {
	var out bytes.Buffer
	e := NewEncoder(&out, MaxDepth(3), MaxMembers(2))
	for _, c := range []struct {
		err, want error
	}{
		{e.Name("a"), ErrMisplaced}, {e.EndArray(), ErrMisplaced}, {e.EndObject(), ErrMisplaced}, {e.Float(math.NaN()), ErrNotFinite},
		{e.String("\xff"), ErrInvalidUTF8}, {e.BeginObject(), nil}, {e.Int(1), ErrMisplaced}, {e.BeginArray(), ErrMisplaced},
		{e.Encode(1), ErrMisplaced}, {e.EndArray(), ErrMisplaced}, {e.Name("\xff"), ErrInvalidUTF8}, {e.Name("a"), nil}, {e.Name("b"), ErrMisplaced},
		{e.EndObject(), ErrMisplaced}, {e.Raw(RawValue(`[1`)), io.ErrUnexpectedEOF}, {e.Float(math.Inf(1)), ErrNotFinite}, {e.Int(1), nil},
		{e.Name("a"), ErrDuplicateName}, {e.Name("b"), nil}, {e.BeginArray(), nil}, {e.BeginArray(), nil}, {e.BeginArray(), ErrTooDeep}, {e.EndObject(), ErrMisplaced},
		{e.EndArray(), nil}, {e.EndArray(), nil}, {e.Name("c"), ErrTooManyMembers}, {e.EndObject(), nil},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%v, want %v", c.err, c.want)
		}
	}
	if got := out.String(); got != `{"a":1,"b":[[]]}`+"\n" {
		t.Error(got)
	}
}

// counter counts calls and bytes, and fails when left has been written.
type counter struct {
	calls, bytes, left int
}

func (c *counter) Write(b []byte) (int, error) {
	c.calls++
	if c.bytes += len(b); c.bytes > c.left {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestEncoderFlushes(t *testing.T) {
	w := &counter{left: 1 << 30}
	e := NewEncoder(w)
	if e.Encode([]int{1}) != nil || w.calls != 1 || w.bytes != 4 {
		t.Errorf("%+v for one text", w)
	}
	begin := func() error { return e.BeginArray() }
	if n := allocated(func() {
		if begin() != nil {
			t.Error("begin")
		}
		for range 1 << 20 {
			if e.String("sixteen bytes...") != nil {
				t.Error("string")
			}
		}
		if e.EndArray() != nil {
			t.Error("end")
		}
	}); n > 1<<18 {
		t.Errorf("%d bytes allocated for %d written", n, w.bytes)
	}
	if w.bytes != 4+19<<20+2 || w.calls > 2+w.bytes/bufferBytes {
		t.Errorf("%+v", w)
	}
	if e.BeginArray() != nil || e.Int(1) != nil || e.Flush() != nil || w.bytes != 4+19<<20+4 {
		t.Errorf("%+v after Flush", w)
	}
	if n := testing.AllocsPerRun(1000, func() {
		e.Int(7)
		e.Float(1.5)
		e.String("x")
		e.BeginObject()
		e.Name("n")
		e.Null()
		e.EndObject()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestEncoderKeepsWriterError(t *testing.T) {
	w := &counter{left: 10}
	e := NewEncoder(w)
	for range 5 {
		if err := e.Encode("12345"); err == io.ErrShortWrite {
			break
		}
	}
	for _, err := range []error{e.Encode(1), e.BeginArray(), e.Name("x"), e.EndArray(), e.Flush(), e.Null()} {
		if err != io.ErrShortWrite {
			t.Error(err)
		}
	}
	if w.calls != 2 {
		t.Errorf("%d calls", w.calls)
	}
}

// RELIABILITY of embedding: nothing that ends a script element or a line of JavaScript leaves with EscapeHTML.
func TestEscapeHTML(t *testing.T) {
	const hostile = "</script><!--&\u2028\u2029"
	var out bytes.Buffer
	e := NewEncoder(&out, EscapeHTML())
	for _, err := range []error{e.BeginObject(), e.Name(hostile), e.String(hostile), e.EndObject()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.ContainsAny(out.String(), "<>&\u2028\u2029") {
		t.Error(out.String())
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[hostile] != hostile {
		t.Error(back, err)
	}
}

// MaxDepth counts the levels that are open and those of the values written into them.
func TestEncoderDepth(t *testing.T) {
	for _, c := range []struct {
		max   int
		write func(e *Encoder) error
		want  error
	}{
		{3, func(e *Encoder) error { return e.Encode([]int{1}) }, nil},
		{3, func(e *Encoder) error { return e.Encode([][]int{{1}}) }, ErrTooDeep},
		{3, func(e *Encoder) error { return e.Encode(map[string]any{"a": []any{}}) }, ErrTooDeep},
		{3, func(e *Encoder) error { return e.Encode(RawValue("[[1]]")) }, ErrTooDeep},
		{4, func(e *Encoder) error { return e.Encode(RawValue("[[1]]")) }, nil},
		{3, func(e *Encoder) error { return e.Raw(RawValue("[[1]]")) }, ErrTooDeep},
		{3, func(e *Encoder) error { return e.Raw(RawValue("[1]")) }, nil},
		{2000, func(e *Encoder) error {
			return e.Raw(RawValue(strings.Repeat("[", 1500) + strings.Repeat("]", 1500)))
		}, nil},
	} {
		var out bytes.Buffer
		e := NewEncoder(&out, MaxDepth(c.max))
		if err := errors.Join(e.BeginArray(), e.BeginArray()); err != nil {
			t.Fatal(err)
		}
		if err := c.write(e); !errors.Is(err, c.want) {
			t.Errorf("at most %d levels: %v, want %v", c.max, err, c.want)
		}
		if err := errors.Join(e.EndArray(), e.EndArray()); err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal(out.Bytes(), new(any), MaxDepth(c.max)); err != nil {
			t.Errorf("at most %d levels: what was written is refused: %.100v", c.max, err)
		}
	}
	if _, err := Marshal([]RawValue{RawValue("[[1]]")}, MaxDepth(2)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a raw value too deep: %v", err)
	}
}

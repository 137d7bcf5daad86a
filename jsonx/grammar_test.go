package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are rows for all that read whole texts: what is wrong with each, nil for nothing.
var texts = []struct {
	text string
	want error
}{
	{`null`, nil}, {` [ ] `, nil}, {`{}`, nil}, {"\t{\r\n\"a\" : [ 1 , -0.5e+10 , true , false , null , \"\" ] }", nil},
	{`"\ud83d\ude00\u0000\/"`, nil}, {"\"\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff\"", nil},
	{`[[[[[[[[[]]]]]]]]]`, nil}, {`{"a":{"a":{"a":{}}},"b":[{"a":1},{"a":1}]}`, nil}, {`0`, nil}, {`-0`, nil}, {`1E-2`, nil},
	{`"0123456789012345678901234567890123456789"`, nil}, {"[1,\n                                      2]", nil},
	{``, io.ErrUnexpectedEOF}, {`  `, io.ErrUnexpectedEOF}, {`[`, io.ErrUnexpectedEOF}, {`[1`, io.ErrUnexpectedEOF},
	{`[1,`, io.ErrUnexpectedEOF}, {`{`, io.ErrUnexpectedEOF}, {`{"a`, io.ErrUnexpectedEOF}, {`{"a"`, io.ErrUnexpectedEOF},
	{`{"a":`, io.ErrUnexpectedEOF}, {`{"a":1`, io.ErrUnexpectedEOF}, {`{"a":1,`, io.ErrUnexpectedEOF}, {`tru`, io.ErrUnexpectedEOF},
	{`-`, io.ErrUnexpectedEOF}, {`1.`, io.ErrUnexpectedEOF}, {`1e`, io.ErrUnexpectedEOF}, {`1e+`, io.ErrUnexpectedEOF},
	{`"\`, io.ErrUnexpectedEOF}, {`"\u12`, io.ErrUnexpectedEOF}, {`"\ud800`, io.ErrUnexpectedEOF}, {`"\ud800\u`, io.ErrUnexpectedEOF},
	{"\"\xe3\x81", io.ErrUnexpectedEOF}, {`{"a":1 `, io.ErrUnexpectedEOF}, {`[1 `, io.ErrUnexpectedEOF}, {`{ `, io.ErrUnexpectedEOF},
	{`]`, errMalformed}, {`}`, errMalformed}, {`[1 2]`, errMalformed}, {`[1,]`, errMalformed}, {`[,1]`, errMalformed}, {`[}`, errMalformed},
	{`{]`, errMalformed}, {`{"a":1]`, errMalformed}, {`[1}`, errMalformed}, {`{"a":1,}`, errMalformed}, {`{"a" 1}`, errMalformed},
	{`{a:1}`, errMalformed}, {`{"a":1 "b":2}`, errMalformed}, {`{1:2}`, errMalformed}, {`01`, errMalformed}, {`1.e1`, errMalformed},
	{`+1`, errMalformed}, {`.5`, errMalformed}, {`0x1`, errMalformed}, {`NaN`, errMalformed}, {`nul `, errMalformed}, {`True`, errMalformed},
	{`-a`, errMalformed}, {`1ea`, errMalformed}, {`[-]`, errMalformed}, {`1 2`, errMalformed}, {`[]]`, errMalformed}, {`'a'`, errMalformed},
	{"\"a\nb\"", errMalformed}, {"\"0123456789\x00\"", errMalformed}, {`"\a"`, errMalformed}, {`"\u12g4"`, errMalformed}, {`"\U0041"`, errMalformed},
	{`"\ud800x"`, errMalformed}, {`"\udc00"`, errMalformed}, {`"\ud800\ud800"`, errMalformed}, {`"\ud800\n"`, errMalformed},
	{"\"\xff\"", errMalformed}, {"\"\xc0\x80    \"", errMalformed}, {"\"\xc1\xbf    \"", errMalformed}, {"\"\xe0\x80\x80    \"", errMalformed},
	{"\"\xed\xa0\x80    \"", errMalformed}, {"\"\xf0\x80\x80\x80    \"", errMalformed}, {"\"\xf4\x90\x80\x80    \"", errMalformed},
	{"\"\xf5\x80\x80\x80    \"", errMalformed}, {"\"\x80    \"", errMalformed}, {"\"\xe3\x81a    \"", errMalformed}, {"\ufeff[]", errMalformed},
	{"[\u00a01]", errMalformed}, {"[1,\v2]", errMalformed}, {"\x00", errMalformed}, {"[1]\x00", errMalformed}, {"/**/1", errMalformed},
	{`{"a":1,"a":2}`, ErrDuplicateName}, {`{"a":1,"\u0061":2}`, ErrDuplicateName}, {`[{"x":{"":1,"":2}}]`, ErrDuplicateName},
	{`{"\ud83d\ude00":1,"😀":2}`, ErrDuplicateName}, {strings.Repeat("[", 1001) + strings.Repeat("]", 1001), ErrTooDeep},
	{strings.Repeat(`{"a":`, 1001), ErrTooDeep},
}

// errMalformed stands for a SyntaxError with nothing behind it.
var errMalformed = errors.New("malformed")

// check says how err differs from want, "" if it does not.
func check(err, want error) string {
	se, ok := errors.AsType[*SyntaxError](err)
	switch {
	case want == nil && err != nil:
		return "refused: " + err.Error()
	case want != nil && err == nil:
		return "accepted"
	case want != nil && !ok:
		return fmt.Sprintf("%T instead of a SyntaxError: %v", err, err)
	case want == errMalformed && se.Err != nil, want != nil && want != errMalformed && !errors.Is(err, want):
		return "wrong cause: " + err.Error()
	}
	return ""
}

func TestTexts(t *testing.T) {
	for _, c := range texts {
		if got, want := Valid([]byte(c.text)), c.want == nil || c.want == ErrDuplicateName; got != want {
			t.Errorf("Valid(%.60q) = %v", c.text, got)
		}
		if bad := check(Unmarshal([]byte(c.text), new(RawValue)), c.want); bad != "" {
			t.Errorf("%.60q: %s", c.text, bad)
		}
	}
}

// Every prefix of a text is truncated, unless it is a text itself or goes on as one.
func TestEveryPrefixIsTruncated(t *testing.T) {
	for _, c := range texts {
		if c.want != nil && c.want != ErrDuplicateName {
			continue
		}
		for i := range len(c.text) {
			end, bad := skipValue([]byte(c.text[:i]), 0, DefaultMaxDepth, nil)
			if bad != "" && end < i {
				t.Errorf("%.60q cut at %d: expected %s at %d", c.text, i, bad, end)
			}
		}
	}
}

// 10^6 levels are refused before they cost anything: RELIABILITY of deep nesting.
func TestDeepNestingIsCheap(t *testing.T) {
	for _, unit := range []string{"[", `{"a":`, `[{"a":`} {
		deep := []byte(strings.Repeat(unit, 1_000_000))
		if n := testing.AllocsPerRun(3, func() {
			if Valid(deep) {
				t.Error("accepted")
			}
		}); n != 0 {
			t.Errorf("%q: Valid allocates %v times", unit, n)
		}
		if n := allocated(func() {
			if bad := check(Unmarshal(deep, new(any)), ErrTooDeep); bad != "" {
				t.Error(bad)
			}
		}); n >= 1_000_000 {
			t.Errorf("%q: %d bytes for a refusal", unit, n)
		}
	}
}

// allocated returns how many bytes f allocates, in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// The bit stack below its first 16 words, and at the borders between words.
func TestDepthLimits(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, 127, 128, 129, 1000, 1023, 1024, 1025, 5000, 100_000} {
		for _, shape := range [][3]string{{"[", "", "]"}, {`{"a":`, "1", "}"}, {`[1,{"a":`, "2", "}]"}} {
			levels := n * (strings.Count(shape[0], "[") + strings.Count(shape[0], "{"))
			text := []byte(strings.Repeat(shape[0], n) + shape[1] + strings.Repeat(shape[2], n))
			if end, bad := skipValue(text, 0, levels, nil); bad != "" || end != len(text) {
				t.Errorf("%d times %q: expected %s at %d", n, shape[0], bad, end)
			}
			if _, bad := skipValue(text, 0, levels-1, nil); bad != wantShallow {
				t.Errorf("%d times %q: one level too many: %q", n, shape[0], bad)
			}
			text[len(text)-1] ^= '}' ^ ']'
			if end, bad := skipValue(text, 0, levels, nil); bad == "" || end != len(text)-1 {
				t.Errorf("%d times %q closed wrongly: %q at %d", n, shape[0], bad, end)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	long := `"` + strings.Repeat("x", 100) + `"`
	for _, c := range []struct {
		text string
		opt  Option
		want error
	}{
		{`[[1]]`, MaxDepth(2), nil}, {`[[1]]`, MaxDepth(1), ErrTooDeep}, {`1`, MaxDepth(0), nil}, {`[]`, MaxDepth(0), ErrTooDeep},
		{`{"a":1,"b":2}`, MaxMembers(2), nil}, {`{"a":1,"b":2}`, MaxMembers(1), ErrTooManyMembers},
		{`[{"a":1},{"b":2},1,2,3]`, MaxMembers(1), nil}, {`{"a":{"b":1}}`, MaxMembers(1), nil},
		{long, MaxStringBytes(100), nil}, {long, MaxStringBytes(99), ErrStringTooLong}, {"[" + long + "]", MaxStringBytes(99), ErrStringTooLong},
		{"{" + long + ":1}", MaxStringBytes(99), ErrStringTooLong}, {`"\u0041"`, MaxStringBytes(5), ErrStringTooLong},
		{long, MaxStringBytes(0), nil}, {`{"a":1,"b":2}`, MaxMembers(0), nil},
		{`[1]`, MaxBytes(3), nil}, {`[1]`, MaxBytes(2), ErrTooLarge}, {`{"a":1,"a":2}`, AllowDuplicateNames(), nil},
	} {
		for _, into := range []any{new(RawValue), new(any), new(Value)} {
			if bad := check(Unmarshal([]byte(c.text), into, c.opt), c.want); bad != "" {
				t.Errorf("%.40q into %T: %s", c.text, into, bad)
			}
		}
	}
}

// Names are told apart in objects small and large, nested and one after the other.
func TestDuplicateNames(t *testing.T) {
	for _, n := range []int{1, 2, smallObject, smallObject + 1, smallObject + 2, 40, 5000} {
		var b bytes.Buffer
		b.WriteString(`{"z":[`)
		for i := range 3 { // the second and third object meet what the first left behind
			for k := range n {
				fmt.Fprintf(&b, `%s"name%d":{"name%d":{}}`, map[bool]string{true: "{", false: ","}[k == 0], k, k)
			}
			b.WriteString(map[bool]string{true: "},", false: "}]}"}[i < 2])
		}
		unique := b.String()
		if err := Unmarshal([]byte(unique), new(RawValue)); err != nil {
			t.Errorf("%d names: %v", n, err)
		}
		for _, k := range []int{0, n / 2, n - 1} {
			dup := unique[:len(unique)-3] + fmt.Sprintf(`,"n\u0061me%d":0}]}`, k)
			err := Unmarshal([]byte(dup), new(RawValue))
			se, _ := errors.AsType[*SyntaxError](err)
			if se == nil || !errors.Is(err, ErrDuplicateName) || se.Pointer != fmt.Sprintf("/z/2/name%d", k) {
				t.Errorf("%d names, again number %d: %v", n, k, err)
			}
		}
	}
}

// 10^5 names of one long prefix cost a bounded number of looks each: the table stays half empty and the hash is seeded.
func TestManyNamesProbeLittle(t *testing.T) {
	const n = 100_000
	r := rules{maxString: 1 << 20, maxMembers: n}
	r.open()
	for k := range n {
		if bad := r.name([]byte(strings.Repeat("p", 100)+fmt.Sprint(k)), true); bad != "" {
			t.Fatal(bad)
		}
	}
	l := &r.levels[0]
	if len(l.table) < 2*n {
		t.Fatalf("table of %d for %d names", len(l.table), n)
	}
	longest, run := 0, 0
	for _, x := range l.table {
		if run++; x == 0 {
			run = 0
		}
		longest = max(longest, run)
	}
	if longest > 500 { // about 60 for a hash that scatters
		t.Errorf("a run of %d full places", longest)
	}
}

func TestSkipAllocatesNothing(t *testing.T) {
	text := []byte(`{"a":[1,2,{"b":"c","d":"\n"}],"e":{"f":{}}}`)
	var r rules
	r.maxString, r.maxMembers = 1000, 1000
	if n := testing.AllocsPerRun(100, func() {
		r.reset()
		if _, bad := skipValue(text, 0, 100, &r); bad != "" {
			t.Error(bad)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// validSlowly is the oracle: encoding/json, which lets invalid UTF-8 and lone surrogates pass.
func validSlowly(b []byte) bool {
	return json.Valid(b) && utf8.Valid(b) && !loneSurrogate(b)
}

func loneSurrogate(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		i++
		var u, v rune
		if n, _ := fmt.Sscanf(string(b[i:min(len(b), i+5)]), "u%04x", &u); n != 1 || u < 0xd800 || u > 0xdfff {
			continue
		}
		if n, _ := fmt.Sscanf(string(b[min(len(b), i+5):min(len(b), i+11)]), `\u%04x`, &v); u > 0xdbff || n != 1 || v < 0xdc00 || v > 0xdfff {
			return true
		}
		i += 10
	}
	return false
}

func FuzzValid(f *testing.F) {
	for _, c := range texts {
		if len(c.text) < 200 {
			f.Add([]byte(c.text), uint8(0))
			f.Add([]byte(c.text), uint8(7))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, pad uint8) {
		b = append(bytes.Repeat([]byte{' '}, int(pad&31)), b...) // so that words begin anywhere
		want := validSlowly(b)
		if got := Valid(b); got != want {
			t.Fatalf("Valid(%q) = %v", b, got)
		}
		err := Unmarshal(b, new(RawValue), AllowDuplicateNames())
		if (err == nil) != want {
			t.Fatalf("%q: %v, want %v", b, err, want)
		}
		if se, ok := errors.AsType[*SyntaxError](err); err != nil && (!ok || se.Offset > int64(len(b)) || se.Expected == "" || errors.Is(err, io.ErrUnexpectedEOF) && se.Offset != int64(len(b))) {
			t.Fatalf("%q: %#v", b, err)
		}
	})
}

// Every way to read a text has the verdict that the name of the file asks for, 'i' for either; none takes much memory.
func TestSuiteByEveryReader(t *testing.T) {
	files, err := filepath.Glob("testdata/jsontestsuite/*.json")
	if err != nil {
		t.Fatal(err)
	}
	count := map[byte]int{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		count[name[0]]++
		verdicts := map[string]bool{}
		if n := allocated(func() {
			verdicts["Valid"] = Valid(text)
			_, err := Parse(text, AllowDuplicateNames())
			verdicts["Parse"] = err == nil
			_, err = Compact(nil, text)
			verdicts["Compact"] = err == nil
			d := NewDecoder(bytes.NewReader(text), AllowDuplicateNames())
			_, err = d.ReadValue()
			verdicts["ReadValue"] = err == nil && !d.More()
			d = NewDecoder(bytes.NewReader(text), AllowDuplicateNames())
			for err = nil; err == nil; {
				if _, err = d.ReadToken(); d.Depth() == 0 && err == nil {
					break
				}
			}
			verdicts["ReadToken"] = err == nil && !d.More()
		}); n > 1<<20+100*uint64(len(text)) {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
		for how, got := range verdicts {
			if got != verdicts["Valid"] || name[0] == 'y' && !got || name[0] == 'n' && got {
				t.Errorf("%s by %s: %v", name, how, got)
			}
		}
	}
	if t.Logf("%d y, %d n, %d i files", count['y'], count['n'], count['i']); len(files) < 200 || count['y'] < 50 || count['n'] < 100 || count['i'] < 20 {
		t.Errorf("files are missing: %d", len(files))
	}
}

// The same verdict from every file of the suite as from the oracle, also with each byte cut off or changed.
func TestSuiteMutated(t *testing.T) {
	files, err := filepath.Glob("testdata/jsontestsuite/*.json")
	if err != nil || len(files) < 200 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 200 {
			continue
		}
		for i := range b {
			for _, c := range []byte("\"\\{}[],:0-e.tu \n\x00\x1f\x80\xe3\xff") {
				m := bytes.Clone(b)
				m[i] = c
				if got := Valid(m); got != validSlowly(m) {
					t.Errorf("%s: Valid(%q) = %v", f, m, got)
				}
			}
		}
	}
}

// Each byte after a backslash, and each in the place of a hexadecimal digit, against the words of RFC 8259 §7.
func TestEscapes(t *testing.T) {
	for c := range 256 {
		short := false
		for _, x := range []byte(`"\/bfnrt`) {
			short = short || byte(c) == x
		}
		if got := Valid([]byte{'"', '\\', byte(c), '"'}); got != short {
			t.Errorf("backslash and %#x: %v", c, got)
		}
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		for i := range 4 {
			text := []byte(`"\u0000"`)
			text[3+i] = byte(c)
			if got := Valid(text); got != hex {
				t.Errorf("%q: %v", text, got)
			}
			if _, bad := scanEscape(text, 1); hex != (bad == "") {
				t.Errorf("%q: %q", text, bad)
			}
		}
	}
}

// Every first and second byte, with third and fourth bytes on both sides of what may continue a character, at the end
// of a text and before it, once and twice: as unicode/utf8 has it.
func TestUTF8(t *testing.T) {
	edges := []byte{0x7f, 0x80, 0xbf, 0xc0}
	var b [24]byte
	for first := range 256 {
		for second := range 256 {
			for _, third := range edges {
				for _, fourth := range edges {
					sequence := [4]byte{byte(first), byte(second), third, fourth}
					for n := 1; n <= 4; n++ {
						want := utf8.Valid(sequence[:n])
						for _, tail := range []string{"", "........."} {
							text := append(append(b[:0], sequence[:n]...), tail...)
							end, bad := len(text), ""
							for i := 0; i < end && bad == ""; i++ {
								if text[i] >= utf8.RuneSelf {
									i, bad = scanUTF8(text, i)
								}
							}
							if (bad == "") != want {
								t.Fatalf("%x then %d bytes: %q", sequence[:n], len(tail), bad)
							}
						}
					}
				}
			}
		}
	}
	for r := rune(0x80); r <= utf8.MaxRune; r++ {
		text := utf8.AppendRune(utf8.AppendRune(b[:0], r), r)
		if end, bad := scanUTF8(text, 0); utf8.ValidRune(r) && (bad != "" || end != len(text)) {
			t.Fatalf("%U: %q at %d", r, bad, end)
		}
	}
}

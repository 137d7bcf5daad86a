package wire

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

// rangeCases are for a representation of 100 bytes; want is "" for the whole, "416", or
// the ranges as from+size.
var rangeCases = []struct{ section, value, want string }{
	{"9110 §14.1.2 first", "bytes=0-0", "0+1"},
	{"§14.1.2 first half", "bytes=0-49", "0+50"},
	{"§14.1.2 open", "bytes=50-", "50+50"},
	{"§14.1.2 suffix", "bytes=-20", "80+20"},
	{"§14.1.2 last byte", "bytes=-1", "99+1"},
	{"§14.1.2 first and last", "bytes=0-0,-1", "0+1 99+1"},
	{"§14.1.2 order is kept", "bytes=50-59, 0-9", "50+10 0+10"},
	{"§14.1.2 last beyond the end", "bytes=90-1000", "90+10"},
	{"§14.1.2 suffix longer than all", "bytes=-1000", "0+100"},
	{"all of it", "bytes=0-", "0+100"},
	{"§14.1 unit in any case", "BYTES=0-0", "0+1"},
	{"§5.6.1 empty elements, white space", "bytes=, 0-0 ,\t,-1", "0+1 99+1"},
	{"one part lies behind the end", "bytes=0-0,100-", "0+1"},
	{"leading zeros", "bytes=0000000000000000000000000-00", "0+1"},
	{"§15.5.17 behind the end", "bytes=100-", "416"},
	{"§15.5.17 far behind", "bytes=99999999999999999999999-", "416"},
	{"§15.5.17 suffix of nothing", "bytes=-0", "416"},
	{"§15.5.17 all parts", "bytes=100-,200-300,-0", "416"},
	{"last overflows", "bytes=99-99999999999999999999999", "99+1"},
	{"suffix overflows", "bytes=-99999999999999999999999", "0+100"},
	{"§14.1.1 last before first", "bytes=5-4", ""},
	{"§14.1.1 one bad range spoils all", "bytes=0-0,5-4", ""},
	{"§14.2 other unit", "lines=0-0", ""},
	{"no unit", "0-0", ""},
	{"nothing", "bytes=", ""},
	{"commas", "bytes=,,", ""},
	{"dash alone", "bytes=-", ""},
	{"two dashes", "bytes=--1", ""},
	{"three numbers", "bytes=1-2-3", ""},
	{"sign", "bytes=+1-2", ""},
	{"hex", "bytes=0x0-1", ""},
	{"blank inside", "bytes=0 - 1", ""},
	{"blank before the unit's sign", "bytes =0-1", ""},
	{"letters", "bytes=a-b", ""},
	{"no dash", "bytes=5", ""},
	{"§17.15 overlap beyond the whole", "bytes=0-,0-", ""},
	{"overlap below the whole", "bytes=0-9,5-14", "0+10 5+10"},
	{"§17.15 sixteen ranges", "bytes=" + strings.Repeat("0-0,", 16), strings.Repeat("0+1 ", 15) + "0+1"},
	{"§17.15 seventeen", "bytes=" + strings.Repeat("0-0,", 17), ""},
	{"§17.15 a thousand behind the end", "bytes=" + strings.Repeat("100-,", 1000), ""},
}

func rangesText(v string, size int64) string {
	ranges, ok := parseRange(nil, []byte(v), size)
	if !ok {
		return "416"
	}
	var parts []string
	for _, r := range ranges {
		parts = append(parts, fmt.Sprintf("%d+%d", r.from, r.size))
	}
	return strings.Join(parts, " ")
}

func TestParseRange(t *testing.T) {
	for _, c := range rangeCases {
		if got := rangesText(c.value, 100); got != c.want {
			t.Errorf("%s: %.60q: %q, want %q", c.section, c.value, got, c.want)
		}
		if got := rangesText(c.value, 0); got != "" {
			t.Errorf("%s: %.60q of nothing: %q", c.section, c.value, got)
		}
	}
	if got := rangesText("bytes=0-,0-", maxFileSize); got != "" {
		t.Errorf("of the largest file: %q", got)
	}
	var fixed [maxRanges]byteRange
	v := []byte("bytes=0-9,20-29,-5")
	if n := testing.AllocsPerRun(100, func() { parseRange(fixed[:0], v, 100) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// oneSpec is the grammar of one range (RFC 9110 §14.1.1).
var oneSpec = regexp.MustCompile(`^(?:([0-9]+)-([0-9]*)|-([0-9]+))$`)

// slowRanges does the job of parseRange with a regular expression and big numbers.
func slowRanges(v string, size int64) string {
	if len(v) < 6 || !strings.EqualFold(v[:6], "bytes=") || size == 0 {
		return ""
	}
	number := func(s string) *big.Int {
		n, _ := new(big.Int).SetString(s, 10) // digits, or the group would be empty
		return n
	}
	end, total, count := big.NewInt(size-1), int64(0), 0
	var parts []string
	for e := range strings.SplitSeq(v[6:], ",") {
		if e = strings.Trim(e, " \t"); e == "" {
			continue
		}
		count++
		m := oneSpec.FindStringSubmatch(e)
		if m == nil || m[1] != "" && m[2] != "" && number(m[1]).Cmp(number(m[2])) > 0 {
			return ""
		}
		from, to := big.NewInt(0), end
		switch {
		case m[3] != "":
			if from.Sub(big.NewInt(size), number(m[3])); from.Sign() < 0 {
				from.SetInt64(0)
			}
		default:
			from = number(m[1])
			if m[2] != "" && number(m[2]).Cmp(end) < 0 {
				to = number(m[2])
			}
		}
		if from.Cmp(end) > 0 {
			continue
		}
		n := to.Int64() - from.Int64() + 1
		total += n
		parts = append(parts, fmt.Sprintf("%d+%d", from.Int64(), n))
	}
	switch {
	case count == 0 || count > maxRanges || total > size:
		return ""
	case len(parts) == 0:
		return "416"
	}
	return strings.Join(parts, " ")
}

// plainRange is what net/http and RFC 9110 understand alike. Elsewhere net/http differs:
// 416 for a malformed field, signs in numbers, 206 for a suffix of no bytes, 416 for one
// beyond 63 bits, any number of ranges, the unit in lower case alone.
var plainRange = regexp.MustCompile(`^bytes=([0-9]{1,9}-[0-9]{0,9}|-[1-9][0-9]{0,8})(, *([0-9]{1,9}-[0-9]{0,9}|-[1-9][0-9]{0,8})){0,15}$`)

func FuzzParseRange(f *testing.F) {
	for _, c := range rangeCases {
		f.Add(c.value, uint16(9))
	}
	f.Fuzz(func(t *testing.T, v string, tens uint16) {
		if v = strings.Trim(v, " \t"); v == "" || !all(v, classValue) || strings.Contains(v, `"`) {
			return
		}
		size := 10 * (1 + int(tens%100))
		got, want := rangesText(v, int64(size)), slowRanges(v, int64(size))
		if got != want {
			t.Errorf("%q of %d: %q, slow twin %q", v, size, got, want)
		}
		if !plainRange.MatchString(v) || want == "" {
			return
		}
		theirs := theirStatus("GET", "Range: "+v, size)
		if status := map[bool]int{true: 416, false: 206}[got == "416"]; theirs.Code != status {
			t.Errorf("%q of %d: %q, net/http %d", v, size, got, theirs.Code)
		}
	})
}

package wire

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

var codingNames = map[contentCoding]string{identity: "identity", gzipped: "gzip", brotli: "br", refused: "none"}

// acceptCases: what is chosen when gzip and br are offered, and with gzip alone.
var acceptCases = []struct{ section, lines, both, gzip string }{
	{"9110 §12.5.3 no field", "", "identity", "identity"},
	{"9110 §12.5.3 empty field", "\x00", "identity", "identity"},
	{"listed", "gzip", "gzip", "gzip"},
	{"x-gzip is gzip (§8.4.1.3)", "x-gzip", "gzip", "gzip"},
	{"case", "GZip;Q=1", "gzip", "gzip"},
	{"browsers", "gzip, deflate, br, zstd", "br", "gzip"},
	{"weights", "br;q=0.5, gzip;q=0.8", "gzip", "gzip"},
	{"three digits", "br;q=0.501, gzip;q=0.500", "br", "gzip"},
	{"q=0", "gzip;q=0, br", "br", "identity"},
	{"q=0.000", "gzip;q=0.000", "identity", "identity"},
	{"any", "*", "br", "gzip"},
	{"any but br", "*, br;q=0", "gzip", "gzip"},
	{"any refused", "*;q=0", "none", "none"},
	{"any refused but gzip", "gzip, *;q=0", "gzip", "gzip"},
	{"identity refused", "identity;q=0", "none", "none"},
	{"identity refused, gzip taken", "identity;q=0, gzip;q=0.1", "gzip", "gzip"},
	{"identity liked best", "identity, gzip;q=0.5", "identity", "identity"},
	{"identity below gzip", "identity;q=0.5, gzip;q=0.6", "gzip", "gzip"},
	{"any refused but identity", "*;q=0, identity", "identity", "identity"},
	{"identity listed, low", "identity;q=0.001, deflate", "identity", "identity"},
	{"unknown alone", "zstd", "identity", "identity"},
	{"OWS", "gzip ; q=0 ,\tbr ;\tq=1", "br", "identity"},
	{"empty elements", ", ,gzip,,", "gzip", "gzip"},
	{"two fields", "deflate\x00br", "br", "identity"},
	{"first mention counts", "gzip;q=0, gzip", "identity", "identity"},
	{"malformed: weight over 1", "gzip;q=1.1", "identity", "identity"},
	{"malformed: four digits", "gzip;q=0.1234", "identity", "identity"},
	{"malformed: no digits", "gzip;q=", "identity", "identity"},
	{"malformed: other parameter", "gzip;level=9", "identity", "identity"},
	{"malformed: negative", "gzip;q=-1", "identity", "identity"},
	{"malformed: two tokens", "gzip br", "identity", "identity"},
	{"malformed: sign", "gzip;q=+1", "identity", "identity"},
	{"malformed: quoted", `"gzip"`, "identity", "identity"},
}

func acceptHead(t testing.TB, lines string) *head {
	if lines == "" {
		return headOf(t)
	}
	var fields []string
	for l := range strings.SplitSeq(strings.TrimSuffix(lines, "\x00"), "\x00") {
		fields = append(fields, "Accept-Encoding: "+l)
	}
	return headOf(t, fields...)
}

func TestAcceptEncoding(t *testing.T) {
	for _, c := range acceptCases {
		a := acceptedCodings(acceptHead(t, c.lines))
		if got := codingNames[a.choose(true, true)]; got != c.both {
			t.Errorf("%s: %q: %s, want %s", c.section, c.lines, got, c.both)
		}
		if got := codingNames[a.choose(true, false)]; got != c.gzip {
			t.Errorf("%s: %q with gzip alone: %s, want %s", c.section, c.lines, got, c.gzip)
		}
	}
}

// slowChoice does the job of choose in the most obvious way.
func slowChoice(line string, offers []string) string {
	q := map[string]float64{}
	for e := range strings.SplitSeq(line, ",") {
		name, weight, has := strings.Cut(e, ";")
		name, weight = strings.ToLower(strings.Trim(name, " \t")), strings.ToLower(strings.Trim(weight, " \t"))
		if name == "x-gzip" {
			name = "gzip"
		}
		v := 1.0
		if has {
			digits, ok := strings.CutPrefix(weight, "q=")
			f, err := strconv.ParseFloat(digits, 64)
			if !ok || err != nil || len(digits) > 5 || digits[0] != '0' && digits[0] != '1' || len(digits) > 1 && digits[1] != '.' || strings.Trim(digits, "0123456789.") != "" || f > 1 {
				continue
			}
			v = f
		}
		if _, twice := q[name]; !twice && name != "" && all(name, classToken) {
			q[name] = v
		}
	}
	weight := func(name string) float64 {
		if v, ok := q[name]; ok {
			return v
		}
		return q["*"]
	}
	best := "none"
	for _, o := range offers {
		if weight(o) > 0 && (best == "none" || weight(o) > weight(best)) {
			best = o
		}
	}
	id, listed := q["identity"]
	star, starred := q["*"]
	switch {
	case listed && id > 0 && (best == "none" || id > weight(best)):
		return "identity"
	case best == "none" && !listed && (!starred || star > 0):
		return "identity"
	}
	return best
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, c := range acceptCases {
		f.Add(c.lines)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if !all(line, classValue) || strings.ContainsAny(line, `"\`) {
			return // quoted strings have no place here; the list splitter heeds them, the slow twin does not
		}
		a := acceptedCodings(headOf(t, "Accept-Encoding: "+line))
		for _, offers := range [][]string{{"br", "gzip"}, {"gzip"}, {"br"}, nil} {
			got := codingNames[a.choose(slices.Contains(offers, "gzip"), slices.Contains(offers, "br"))]
			if want := slowChoice(line, offers); got != want {
				t.Errorf("%q with %v: %s, slow twin %s", line, offers, got, want)
			}
		}
	})
}

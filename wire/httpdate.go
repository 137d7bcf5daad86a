package wire

import "time"

// imfFixdate is the form in which dates are sent (RFC 9110 §5.6.7).
const imfFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"

// AppendTime appends a date in the form of HTTP fields, such as
// "Sun, 06 Nov 1994 08:49:37 GMT"; fractions of a second are cut off.
func AppendTime(dst []byte, t time.Time) []byte { return t.UTC().AppendFormat(dst, imfFixdate) }

// ParseTime parses the date of a field, in the present form and the two obsolete ones
// (RFC 9110 §5.6.7). A year of two digits that would lie more than 50 years ahead is
// taken to be past. ok is false when s is no date.
func ParseTime(s string) (t time.Time, ok bool) {
	if t, err := time.Parse(imfFixdate, s); err == nil {
		return t, true
	}
	if t, err := time.Parse("Monday, 02-Jan-06 15:04:05 GMT", s); err == nil {
		now := time.Now().UTC().Year()
		year := now - now%100 + t.Year()%100
		if year > now+50 {
			year -= 100
		}
		return t.AddDate(year-t.Year(), 0, 0), true
	}
	t, err := time.Parse(time.ANSIC, s)
	return t, err == nil
}

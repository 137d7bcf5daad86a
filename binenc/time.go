package binenc

import (
	"encoding/binary"
	"time"
)

// The range of times: years 0 to 9999, what RFC 3339 can say, to the nanosecond.
var (
	MinTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	MaxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// The same range in seconds since 1970.
const (
	minSeconds = -62_167_219_200
	maxSeconds = 253_402_300_799

	zeroSeconds = -62_135_596_800 // 0001-01-01T00:00:00Z, Go's zero
	timeRange   = "a time is outside of the years 0 to 9999"
)

func inRange(t time.Time) bool {
	s := t.Unix()
	return s >= minSeconds && s <= maxSeconds
}

// appendTime appends a time's payload: zig-zag seconds since 1970, then nanoseconds,
// both varints.
func appendTime(dst []byte, t time.Time) []byte {
	return binary.AppendUvarint(AppendVarint(dst, t.Unix()), uint64(t.Nanosecond()))
}

// readTime reads a time's payload; error offsets count from its start.
func readTime(b []byte) (time.Time, error) {
	sec, off, err := uvarint(b, 0)
	if err != nil {
		return time.Time{}, err
	}
	nsec, end, err := uvarint(b, off)
	switch s := unzigzag(sec); {
	case err != nil:
		return time.Time{}, err
	case end != len(b):
		return time.Time{}, malformed(end, "bytes after a time")
	case nsec > 999_999_999:
		return time.Time{}, malformed(off, "a time has more than 999999999 nanoseconds")
	case s < minSeconds || s > maxSeconds:
		return time.Time{}, &Error{Reason: timeRange, Err: ErrRange}
	case s == zeroSeconds && nsec == 0:
		return time.Time{}, nil
	default:
		return time.Unix(s, int64(nsec)).UTC(), nil
	}
}

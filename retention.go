package lithair

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lithair/lithair-go/engine"
)

// units are what a number in a retention may be followed by: days and hours, and bytes.
var units = []struct {
	name  string
	age   time.Duration
	bytes int64
}{
	{"GiB", 0, 1 << 30}, {"MiB", 0, 1 << 20}, {"KiB", 0, 1 << 10}, {"TB", 0, 1e12}, {"GB", 0, 1e9}, {"MB", 0, 1e6}, {"KB", 0, 1e3},
	{"d", 24 * time.Hour, 0}, {"h", time.Hour, 0}, {"m", time.Minute, 0}, {"s", time.Second, 0},
}

// parseRetention reads "all", "snapshot", an age, a size, or an age and a size.
func parseRetention(text string) (c engine.SnapshotConfig, err error) {
	switch text {
	case "all":
		return c, nil
	case "snapshot":
		c.Compact = true
		return c, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		age, bytes, ok := parseAmount(strings.TrimSpace(part))
		if !ok || age > 0 && c.MaxAge > 0 || bytes > 0 && c.MaxLogBytes > 0 {
			return c, fmt.Errorf("retention: %q is not all, not snapshot, no age such as 30d, no size such as 10GB, and not one of each", text)
		}
		c.MaxAge, c.MaxLogBytes = max(c.MaxAge, age), max(c.MaxLogBytes, bytes)
	}
	return c, nil
}

// parseAmount reads a whole number and its unit; one of the results is greater than 0.
func parseAmount(text string) (age time.Duration, bytes int64, ok bool) {
	for _, u := range units {
		digits, has := strings.CutSuffix(text, u.name)
		if !has {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		unit := max(int64(u.age), u.bytes)
		if err != nil || n <= 0 || n > math.MaxInt64/unit {
			return 0, 0, false
		}
		return time.Duration(n) * u.age, n * u.bytes, true
	}
	return 0, 0, false
}

package rest

import (
	"strings"

	"github.com/lithair/lithair-go/wire"
)

// TraceID returns the trace id of a request's traceparent field (W3C Trace Context,
// §3.2), 32 small hexadecimal digits; "" where there is none, or the field is malformed.
//
//	version "-" trace-id "-" parent-id "-" trace-flags
func TraceID(r *wire.Request) string {
	if !r.HasHeader("Traceparent") {
		return ""
	}
	v := r.Header("Traceparent")
	if len(v) < 55 || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return ""
	}
	version, id, parent, flags := v[:2], v[3:35], v[36:52], v[53:55]
	switch {
	case !smallHex(version) || !smallHex(id) || !smallHex(parent) || !smallHex(flags), version == "ff":
		return ""
	case version == "00" && len(v) != 55, len(v) > 55 && v[55] != '-':
		return ""
	case strings.Trim(id, "0") == "", strings.Trim(parent, "0") == "":
		return ""
	}
	return id
}

func smallHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

package wire

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// SecurityConfig says which protective fields responses carry. The zero value is a sound
// default for an API; a text field that is "-" leaves its header out.
type SecurityConfig struct {
	// ContentSecurityPolicy is for sites that serve HTML. Default none: a policy has to
	// know the pages. An API can say "default-src 'none'; frame-ancestors 'none'".
	ContentSecurityPolicy string
	FrameOptions          string // X-Frame-Options; default DENY
	ReferrerPolicy        string // default strict-origin-when-cross-origin
	OpenerPolicy          string // Cross-Origin-Opener-Policy; default same-origin
	ResourcePolicy        string // Cross-Origin-Resource-Policy; default same-origin, as CORS is exempt from it
	PermissionsPolicy     string // default none

	// StrictTransport is the max-age of Strict-Transport-Security (RFC 6797), in whole
	// seconds. Default none: it binds the host for that long. It is sent over https alone.
	StrictTransport           time.Duration
	StrictTransportSubdomains bool
}

// SecurityHeaders sets fields that keep browsers from guessing content types (always, by
// X-Content-Type-Options: nosniff), framing the page or leaking addresses. Errors carry
// them, too. A handler may set others in their place. It returns an error for a value
// that cannot stand in a header.
func SecurityHeaders(cfg SecurityConfig) (Middleware, error) {
	var set [][2]string
	var errs []error
	add := func(name, value, or string) {
		if value == "" {
			value = or
		}
		if value == "" || value == "-" {
			return
		}
		if !all(value, classValue) {
			errs = append(errs, fmt.Errorf("wire: SecurityConfig: %s: %w: %.60q", name, ErrHeader, value))
		}
		set = append(set, [2]string{name, value})
	}
	add("X-Content-Type-Options", "nosniff", "")
	add("X-Frame-Options", cfg.FrameOptions, "DENY")
	add("Referrer-Policy", cfg.ReferrerPolicy, "strict-origin-when-cross-origin")
	add("Cross-Origin-Opener-Policy", cfg.OpenerPolicy, "same-origin")
	add("Cross-Origin-Resource-Policy", cfg.ResourcePolicy, "same-origin")
	add("Content-Security-Policy", cfg.ContentSecurityPolicy, "")
	add("Permissions-Policy", cfg.PermissionsPolicy, "")
	strict, err := cfg.strictTransport()
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			for i := range set {
				if err := w.SetHeader(set[i][0], set[i][1]); err != nil {
					return err
				}
			}
			if strict != "" && r.Scheme() == "https" {
				if err := w.SetHeader("Strict-Transport-Security", strict); err != nil {
					return err
				}
			}
			return next(w, r)
		}
	}, nil
}

func (cfg *SecurityConfig) strictTransport() (string, error) {
	switch {
	case cfg.StrictTransport < 0 || cfg.StrictTransport%time.Second != 0:
		return "", fmt.Errorf("wire: SecurityConfig.StrictTransport: %v is not a number of whole seconds", cfg.StrictTransport)
	case cfg.StrictTransport == 0 && cfg.StrictTransportSubdomains:
		return "", errors.New("wire: SecurityConfig.StrictTransportSubdomains without StrictTransport")
	case cfg.StrictTransport == 0:
		return "", nil
	}
	s := "max-age=" + strconv.FormatInt(int64(cfg.StrictTransport/time.Second), 10)
	if cfg.StrictTransportSubdomains {
		s += "; includeSubDomains"
	}
	return s, nil
}

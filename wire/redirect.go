package wire

import (
	"fmt"
	"net/url"
)

// redirect prepares the request that a redirect asks for; false when the response is the
// one to be returned (RFC 9110 §15.4).
func (c *Client) redirect(o *outgoing, r *ClientResponse) (follow bool, err error) {
	location := r.Header("Location")
	if c.cfg.MaxRedirects < 0 || !isRedirect(r.status) || location == "" {
		return false, nil
	}
	to, err := resolve(&o.url, location)
	if err != nil {
		return false, fmt.Errorf("Location: %w", err)
	}
	if c.cfg.CheckRedirect != nil {
		switch err := c.cfg.CheckRedirect(o.url.raw, to.raw, r.status); {
		case err == ErrUseResponse:
			return false, nil
		case err != nil:
			return false, err
		}
	}
	if o.hops++; o.hops > c.cfg.MaxRedirects {
		return false, fmt.Errorf("%w: %d", ErrTooManyRedirects, c.cfg.MaxRedirects)
	}
	drop := func(string) bool { return false }
	if !sameSite(&o.url, &to) {
		drop = func(name string) bool { return credential(name, c.cfg.CredentialFields) }
	}
	o.redirectTo(to, r.status, drop)
	return true, nil
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// resolve makes an absolute URL of a Location (RFC 9110 §10.2.2).
func resolve(from *clientURL, location string) (to clientURL, err error) {
	base, err := url.Parse(from.raw)
	if err != nil {
		return to, err
	}
	u, err := base.Parse(location)
	if err != nil {
		return to, err
	}
	return clientURLOf(u)
}

// sameSite says whether credentials for one URL may go to another: the same host and
// port, and not from https to http. From http to https counts as the same where both
// have the port of their scheme.
func sameSite(from, to *clientURL) bool {
	if from.host != to.host || from.secure && !to.secure {
		return false
	}
	return from.port == to.port || from.port == "80" && to.port == "443" && to.secure
}

// credential lists the fields that prove who asks.
func credential(name string, more []string) bool {
	for _, n := range []string{"authorization", "cookie", "cookie2", "proxy-authorization", "proxy-authenticate", "www-authenticate", "x-api-key", "api-key",
		"x-auth-token", "x-access-token", "x-csrf-token", "x-xsrf-token", "x-amz-security-token", "x-goog-api-key"} {
		if equalFold(n, name) {
			return true
		}
	}
	for _, n := range more {
		if equalFold(n, name) {
			return true
		}
	}
	return false
}

// redirectTo turns a request into the next one. Fields that were dropped once stay away,
// also when a later redirect leads back.
func (o *outgoing) redirectTo(to clientURL, status int, drop func(name string) bool) {
	toGet := status == 303 && o.method != "HEAD" || (status == 301 || status == 302) && o.method == "POST"
	if toGet {
		o.method = "GET"
		o.closeBody()
		o.length = 0
	}
	if to.authority != o.url.authority {
		o.host = ""
	}
	if to.basic == "" && sameSite(&o.url, &to) { // as of an Authorization field
		to.basic = o.url.basic
	}
	o.url, o.cookie = to, ""
	o.header = withoutField(o.header, func(name string) bool { return drop(name) || toGet && ofContent(name) })
}

// ofContent lists the fields that describe a request's content and go with it.
func ofContent(name string) bool {
	for _, n := range []string{"content-type", "content-encoding", "content-language", "content-location", "content-disposition", "digest", "content-digest",
		"repr-digest", "last-modified", "expect", "trailer"} {
		if equalFold(n, name) {
			return true
		}
	}
	return false
}

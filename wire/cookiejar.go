package wire

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// CookieJar keeps the cookies of a client in memory (RFC 6265bis §5.6-5.8): by host and
// path, with Secure, Max-Age, Expires and the prefixes __Secure- and __Host-. HttpOnly and
// SameSite are of no consequence outside browsers. It is safe for concurrent use.
//
// There is no list of public suffixes here, so a Domain attribute cannot be trusted:
// example.co.uk could set a cookie for all of co.uk. A cookie is therefore for the host
// that set it alone, unless AllowDomain says that its Domain is no public suffix.
type CookieJar struct {
	// AllowDomain says whether cookies may be shared among the hosts of a domain; nil: no.
	AllowDomain func(domain string) bool

	mu      sync.Mutex
	domains map[string][]jarCookie // by host or domain, in the order they were made
	count   int                    // <= maxCookies
}

// Limits of a jar. A cookie beyond maxCookieBytes is ignored, whose makers must expect
// that (RFC 6265bis §5.7); beyond the numbers, the oldest go.
const (
	maxDomainCookies = 100  // of one host or domain
	maxCookies       = 3000 // in all
)

type jarCookie struct {
	name, value string
	domain      string // as key of the map
	path        string
	hostOnly    bool
	secure      bool
	expires     time.Time // zero: with the jar
}

// header returns the value of the Cookie field of a request, with what its own fields
// say in front; "" for none.
func (j *CookieJar) header(o *outgoing) string {
	var out []string
	for _, f := range o.header {
		if equalFold(f[0], "cookie") {
			out = append(out, f[1])
		}
	}
	path, _, _ := strings.Cut(o.url.target, "?")
	for _, c := range j.matching(o.url.host, path, o.url.secure, time.Now()) {
		out = append(out, c.name+"="+c.value)
	}
	return strings.Join(out, "; ")
}

// matching returns the cookies for a request, longer paths first.
func (j *CookieJar) matching(host, path string, secure bool, now time.Time) (found []jarCookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for domain := host; domain != ""; {
		for _, c := range j.domains[domain] {
			fits := domain == host || !c.hostOnly
			if fits && (secure || !c.secure) && pathMatch(path, c.path) && (c.expires.IsZero() || now.Before(c.expires)) {
				found = append(found, c)
			}
		}
		if isAddress(host) {
			break
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	slices.SortStableFunc(found, func(a, b jarCookie) int { return cmp.Compare(len(b.path), len(a.path)) })
	return found
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// pathMatch is RFC 6265bis §5.1.4.
func pathMatch(path, of string) bool {
	if !strings.HasPrefix(path, of) {
		return false
	}
	return len(path) == len(of) || of[len(of)-1] == '/' || path[len(of)] == '/'
}

// store keeps the cookies that a response sets.
func (j *CookieJar) store(u *clientURL, r *ClientResponse) {
	for name, value := range r.Headers() {
		if equalFold(name, "set-cookie") {
			if c, ok := j.parse(u, value, time.Now()); ok {
				j.keep(c, u.secure, time.Now())
			}
		}
	}
}

// parse reads a Set-Cookie value; false when it must be ignored.
//
//	set-cookie = name "=" value *( ";" attribute [ "=" value ] )   (RFC 6265bis §5.6)
func (j *CookieJar) parse(u *clientURL, text string, now time.Time) (c jarCookie, ok bool) {
	pair, attributes, _ := strings.Cut(text, ";")
	name, value, has := strings.Cut(pair, "=")
	path, _, _ := strings.Cut(u.target, "?")
	c = jarCookie{name: strings.Trim(name, " \t"), value: strings.Trim(value, " \t"), domain: u.host, hostOnly: true, path: directory(path)}
	if !has || c.name == "" || len(c.name)+len(c.value) > maxCookieBytes {
		return c, false
	}
	domain, maxAge := "", false
	for part := range strings.SplitSeq(attributes, ";") {
		key, val, _ := strings.Cut(part, "=")
		val = strings.Trim(val, " \t")
		switch key = strings.Trim(key, " \t"); {
		case equalFold(key, "secure"):
			c.secure = true
		case equalFold(key, "domain"):
			domain = strings.ToLower(strings.TrimPrefix(val, "."))
		case equalFold(key, "path"):
			if c.path = directory(path); strings.HasPrefix(val, "/") {
				c.path = val
			}
		case equalFold(key, "max-age"):
			if n, err := strconv.ParseInt(val, 10, 64); err == nil {
				maxAge = true
				c.expires = now.Add(time.Duration(max(-1, min(n, maxCookieAge))) * time.Second)
			}
		case equalFold(key, "expires") && !maxAge:
			if t, ok := cookieDate(val); ok {
				c.expires = t
			}
		}
	}
	return c, j.settle(&c, u, domain)
}

// maxCookieAge is 400 days, in seconds (RFC 6265bis §5.5).
const maxCookieAge = 400 * 24 * 3600

// settle applies the rules that hang together: domain, Secure and name prefixes.
func (j *CookieJar) settle(c *jarCookie, u *clientURL, domain string) bool {
	if domain != "" && domain != u.host && (isAddress(u.host) || !strings.HasSuffix(u.host, "."+domain)) {
		return false
	}
	if c.secure && !u.secure {
		return false
	}
	if len(c.name) >= 9 && equalFold(c.name[:9], "__Secure-") && !c.secure {
		return false
	}
	if len(c.name) >= 7 && equalFold(c.name[:7], "__Host-") && (!c.secure || domain != "" || c.path != "/") {
		return false
	}
	if domain != "" && !isAddress(u.host) && j.AllowDomain != nil && j.AllowDomain(domain) {
		c.domain, c.hostOnly = domain, false
	}
	return true
}

// directory is the default path of a cookie (RFC 6265bis §5.1.4).
func directory(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

// cookieDate reads the dates that servers write.
func cookieDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC1123, "Mon, 02-Jan-2006 15:04:05 MST", time.RFC850, time.ANSIC, "Mon, 2 Jan 2006 15:04:05 MST", "Mon, 02-Jan-06 15:04:05 MST"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// keep puts a cookie in, in place of one of that name, domain and path; one that has
// expired takes that out. What a secure connection set, a plain one cannot replace.
func (j *CookieJar) keep(c jarCookie, secure bool, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.domains == nil {
		j.domains = map[string][]jarCookie{}
	}
	list := j.domains[c.domain]
	for _, o := range list {
		if o.name == c.name && o.secure && !secure && (pathMatch(c.path, o.path)) {
			return
		}
	}
	before := len(list)
	list = slices.DeleteFunc(list, func(o jarCookie) bool {
		return o.name == c.name && o.path == c.path && o.hostOnly == c.hostOnly || !o.expires.IsZero() && !now.Before(o.expires)
	})
	if c.expires.IsZero() || now.Before(c.expires) {
		if len(list) >= maxDomainCookies {
			list = slices.Delete(list, 0, 1)
		}
		list = append(list, c)
	}
	j.count += len(list) - before
	if j.domains[c.domain] = list; len(list) == 0 {
		delete(j.domains, c.domain)
	}
	if j.count > maxCookies {
		j.shed(c.domain)
	}
}

// shed makes room: the cookies of another host go.
func (j *CookieJar) shed(but string) {
	for domain, list := range j.domains {
		if domain != but {
			j.count -= len(list)
			delete(j.domains, domain)
			return
		}
	}
}

package wire

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORSConfig says which other sites' pages may use a service (Fetch standard, CORS
// protocol). The zero value allows none.
type CORSConfig struct {
	// Origins are exact ("https://app.example.org", "http://localhost:5173"), cover all
	// subdomains at any depth but not the domain itself ("https://*.example.org"), or
	// all ports ("http://localhost:*"). "*" alone allows every site, never with
	// Credentials. "null" is refused: any page can have itself given that origin.
	Origins []string

	// AllowOrigin, when set, is asked about origins that no pattern covers, such as those
	// of tenants. It must be safe for concurrent use.
	AllowOrigin func(r *Request, origin string) bool

	// Methods are those allowed beside GET, HEAD and POST, which browsers send without
	// asking. Default PUT, PATCH, DELETE.
	Methods []string

	// Headers are the request fields allowed beyond those that need no permission. "*"
	// stands for all but Authorization, never with Credentials. Default Content-Type,
	// Authorization, Idempotency-Key, If-Match, If-None-Match.
	Headers []string

	// Expose are response fields that scripts may read. Default ETag, Location,
	// Lithair-Index, Retry-After, X-Request-Id.
	Expose []string

	Credentials    bool          // cookies and the like may come along
	PrivateNetwork bool          // public sites may reach this server on a private network
	MaxAge         time.Duration // of a preflight's answer in browsers; default 10 min, negative: none
}

// CORS answers preflights itself, with 204 or, when what they ask for is not allowed, 403
// and the reason; and it marks responses, errors included, for allowed origins. Every
// response says in Vary what it depended on, so that caches stay correct. It protects
// no service from requests that are not asked about beforehand; see
// [CrossOriginProtection].
//
// It returns an error, naming the field, for a configuration that is malformed or unsafe.
func CORS(cfg CORSConfig) (Middleware, error) {
	c := &cors{cfg: cfg, exact: map[string]string{}}
	if err := c.prepare(); err != nil {
		return nil, fmt.Errorf("wire: CORSConfig.%w", err)
	}
	return func(next Handler) Handler {
		return func(w *Response, r *Request) error {
			preflight := r.Method() == "OPTIONS" && r.HasHeader("Access-Control-Request-Method") && r.HasHeader("Origin")
			if preflight {
				return c.preflight(w, r)
			}
			if err := c.mark(w, r); err != nil {
				return err
			}
			return next(w, r)
		}
	}, nil
}

// cors is a prepared configuration; it does not change.
type cors struct {
	cfg      CORSConfig
	all      bool              // "*"
	exact    map[string]string // origins as sent, to themselves
	patterns []originPattern
	methods  string
	headers  string
	expose   string
	age      string
}

func (c *cors) prepare() error {
	if err := c.prepareOrigins(); err != nil {
		return err
	}
	lists := []struct {
		name string
		list *[]string
		def  []string
		to   *string
	}{
		{"Methods", &c.cfg.Methods, []string{"PUT", "PATCH", "DELETE"}, &c.methods},
		{"Headers", &c.cfg.Headers, []string{"Content-Type", "Authorization", "Idempotency-Key", "If-Match", "If-None-Match"}, &c.headers},
		{"Expose", &c.cfg.Expose, []string{"ETag", "Location", "Lithair-Index", "Retry-After", "X-Request-Id"}, &c.expose},
	}
	for _, l := range lists {
		if len(*l.list) == 0 {
			*l.list = l.def
		}
		*l.list = slices.Clone(*l.list)
		for _, s := range *l.list {
			if s == "" || !all(s, classToken) || s == "*" && (l.name != "Headers" || c.cfg.Credentials) {
				return fmt.Errorf("%s: %q cannot be allowed", l.name, s)
			}
		}
		*l.to = strings.Join(*l.list, ", ")
	}
	switch age := c.cfg.MaxAge; {
	case age == 0:
		c.age = "600"
	case age < 0:
		c.age = "0"
	default:
		c.age = strconv.FormatInt(int64(age/time.Second), 10)
	}
	return nil
}

func (c *cors) prepareOrigins() error {
	if slices.Contains(c.cfg.Origins, "*") {
		if c.cfg.Credentials || len(c.cfg.Origins) > 1 || c.cfg.AllowOrigin != nil {
			return errors.New(`Origins: "*" stands alone and never with Credentials`)
		}
		c.all = true
		return nil
	}
	for _, s := range c.cfg.Origins {
		p, err := parseOriginPattern(s)
		if err != nil {
			return fmt.Errorf("Origins: %w", err)
		}
		if p.subdomains || p.anyPort {
			c.patterns = append(c.patterns, p)
		} else {
			text := p.origin.String()
			c.exact[text] = text
		}
	}
	return nil
}

// allowed returns the request's origin when it is allowed, without an allocation for
// exact ones.
func (c *cors) allowed(r *Request) (string, bool) {
	b, _ := r.head.field("origin")
	if len(b) == 0 || r.head.count("origin") != 1 {
		return "", false
	}
	if s, ok := c.exact[string(b)]; ok {
		return s, true
	}
	if len(c.patterns) == 0 && c.cfg.AllowOrigin == nil {
		return "", false
	}
	s := string(b)
	o, ok := parseOrigin(s)
	if !ok || o.String() != s { // browsers send the one normal form
		return "", false
	}
	for i := range c.patterns {
		if c.patterns[i].matches(o) {
			return s, true
		}
	}
	return s, c.cfg.AllowOrigin != nil && c.cfg.AllowOrigin(r, s)
}

// mark sets the fields of a response that is no preflight's.
func (c *cors) mark(w *Response, r *Request) error {
	if c.all { // the same for all: no Vary
		return errors.Join(w.SetHeader("Access-Control-Allow-Origin", "*"), w.SetHeader("Access-Control-Expose-Headers", c.expose))
	}
	if err := w.AddHeader("Vary", "Origin"); err != nil {
		return err
	}
	o, ok := c.allowed(r)
	if !ok {
		return nil
	}
	if err := c.grant(w, o); err != nil {
		return err
	}
	return w.SetHeader("Access-Control-Expose-Headers", c.expose)
}

func (c *cors) grant(w *Response, origin string) error {
	if err := w.SetHeader("Access-Control-Allow-Origin", origin); err != nil || !c.cfg.Credentials {
		return err
	}
	return w.SetHeader("Access-Control-Allow-Credentials", "true")
}

const varyPreflight = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"

func (c *cors) preflight(w *Response, r *Request) error {
	if err := w.AddHeader("Vary", varyPreflight); err != nil {
		return err
	}
	o, ok := "*", c.all
	if !ok {
		if o, ok = c.allowed(r); !ok {
			return corsRefusal("this origin may not use this service from a browser")
		}
	}
	if err := c.grant(w, o); err != nil { // first, so that browsers show why the rest is refused
		return err
	}
	if m := r.Header("Access-Control-Request-Method"); !c.allowsMethod(m) {
		return corsRefusal("the method " + LogText(m) + " is not allowed from other origins")
	}
	if name, ok := c.allowsHeaders(r); !ok {
		return corsRefusal("the header " + LogText(name) + " is not allowed from other origins")
	}
	if r.HeaderIs("Access-Control-Request-Private-Network", "true") {
		if !c.cfg.PrivateNetwork {
			return corsRefusal("public sites may not reach this server on a private network")
		}
		if err := w.SetHeader("Access-Control-Allow-Private-Network", "true"); err != nil {
			return err
		}
	}
	w.Status(204)
	return errors.Join(w.SetHeader("Access-Control-Allow-Methods", c.methods), w.SetHeader("Access-Control-Allow-Headers", c.headers),
		w.SetHeader("Access-Control-Max-Age", c.age))
}

func corsRefusal(detail string) error { return &Error{Status: 403, Code: "cors", Detail: detail} }

// allowsMethod compares methods as they are: they have a case.
func (c *cors) allowsMethod(m string) bool {
	return m == "GET" || m == "HEAD" || m == "POST" || slices.Contains(c.cfg.Methods, m)
}

// allowsHeaders returns the first field that is not allowed.
func (c *cors) allowsHeaders(r *Request) (name string, ok bool) {
	ok = true
	for i := range r.head.fields {
		f := &r.head.fields[i]
		if !equalFold(f.name.of(r.head.buf), "access-control-request-headers") {
			continue
		}
		eachElement(f.value.of(r.head.buf), func(e []byte) bool {
			if ok = c.allowsHeader(e); !ok {
				name = string(e)
			}
			return ok
		})
		if !ok {
			return name, false
		}
	}
	return "", true
}

func (c *cors) allowsHeader(e []byte) bool {
	return all(e, classToken) && slices.ContainsFunc(c.cfg.Headers, func(h string) bool {
		return equalFold(e, h) || h == "*" && !equalFold(e, "authorization")
	})
}

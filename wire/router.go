package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxParams bounds the wildcards of a pattern.
const maxParams = 8

// route is a registered pattern.
type route struct {
	pattern  string
	method   string // "" for any
	segments []segment
	params   []string
	handler  Handler
}

// segment is one part of a pattern's path.
type segment struct {
	text string // of a literal, percent-decoded
	kind segmentKind
}

type segmentKind uint8

const (
	literal  segmentKind = iota
	wildcard             // {name}: one segment
	rest                 // {name...} or a final slash: what is left, slashes and all
	end                  // {$}: the end of a path that ends in a slash
)

// Route is a registered route, for listings.
type Route struct {
	Pattern, Method, Path string
}

// node is a place in the tree of patterns.
type node struct {
	literals map[string]*node
	wild     *node
	rest     *leafs
	end      *leafs // {$}
	here     *leafs // the path ends here
}

// leafs are the routes of one path, by method. There are few: a list is searched faster
// than a map.
type leafs struct {
	methods []*route
	any     *route
	allow   string
}

// Router finds the handler for a request. Patterns are those of net/http's ServeMux
// without hosts: "GET /articles/{id}", "/files/{path...}", "/exact/{$}". The more
// specific pattern wins, whatever the order of registration. Register everything before
// serving; lookups are then safe for concurrent use and allocate nothing.
type Router struct {
	root   node
	static map[string]*leafs // by path: patterns without wildcards, which need no walk
	routes []*route
	use    []Middleware
}

// NewRouter returns an empty router.
func NewRouter() *Router { return &Router{} }

// Use adds middleware around all handlers, the first outermost, those for 404 and 405
// included.
func (rt *Router) Use(mw ...Middleware) { rt.use = append(rt.use, mw...) }

// Get, Post, Put, Patch and Delete are Handle with a method.
func (rt *Router) Get(path string, h Handler, mw ...Middleware) error {
	return rt.Handle("GET "+path, h, mw...)
}

// Post registers a handler for POST.
func (rt *Router) Post(path string, h Handler, mw ...Middleware) error {
	return rt.Handle("POST "+path, h, mw...)
}

// Put registers a handler for PUT.
func (rt *Router) Put(path string, h Handler, mw ...Middleware) error {
	return rt.Handle("PUT "+path, h, mw...)
}

// Patch registers a handler for PATCH.
func (rt *Router) Patch(path string, h Handler, mw ...Middleware) error {
	return rt.Handle("PATCH "+path, h, mw...)
}

// Delete registers a handler for DELETE.
func (rt *Router) Delete(path string, h Handler, mw ...Middleware) error {
	return rt.Handle("DELETE "+path, h, mw...)
}

// Handle registers a handler for a pattern, "[METHOD ]/path". The error names both
// patterns when one matches requests of another and neither is more specific.
func (rt *Router) Handle(pattern string, h Handler, mw ...Middleware) error {
	r, err := parsePattern(pattern)
	if err != nil {
		return fmt.Errorf("wire: pattern %q: %w", pattern, err)
	}
	if h == nil {
		return fmt.Errorf("wire: pattern %q: the handler is nil", pattern)
	}
	for i := len(mw) - 1; i >= 0; i-- {
		h = mw[i](h)
	}
	r.handler = h
	for _, o := range rt.routes {
		if r.conflicts(o) {
			return fmt.Errorf("wire: patterns %q and %q conflict: both match some requests and neither is more specific", pattern, o.pattern)
		}
	}
	rt.routes = append(rt.routes, r)
	rt.insert(r)
	return nil
}

// Routes lists the routes in order of registration.
func (rt *Router) Routes() []Route {
	list := make([]Route, 0, len(rt.routes))
	for _, r := range rt.routes {
		path := r.pattern
		if r.method != "" {
			path = strings.TrimLeft(path[len(r.method):], " ")
		}
		list = append(list, Route{r.pattern, r.method, path})
	}
	return list
}

func parsePattern(pattern string) (*route, error) {
	r := &route{pattern: pattern}
	path := pattern
	if method, p, ok := strings.Cut(pattern, " "); ok {
		if !all(method, classToken) || method == "" {
			return nil, errors.New("the method is not valid")
		}
		r.method, path = method, strings.TrimLeft(p, " ")
	}
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("the path does not begin with a slash")
	}
	parts := strings.Split(path[1:], "/")
	for i, p := range parts {
		last := i == len(parts)-1
		switch {
		case p == "" && last:
			r.segments = append(r.segments, segment{kind: rest})
			r.params = append(r.params, "")
		case p == "":
			return nil, errors.New("an empty segment")
		case p == "{$}" && last:
			r.segments = append(r.segments, segment{kind: end})
		case p[0] == '{':
			if err := r.wildcard(p, last); err != nil {
				return nil, err
			}
		case strings.ContainsAny(p, "{}"):
			return nil, fmt.Errorf("%q: a wildcard is a whole segment", p)
		default:
			text, err := unescape(p, false)
			if err != nil {
				return nil, err
			}
			r.segments = append(r.segments, segment{text: text})
		}
	}
	if len(r.params) > maxParams {
		return nil, fmt.Errorf("more than %d wildcards", maxParams)
	}
	return r, nil
}

func (r *route) wildcard(p string, last bool) error {
	name, ok := strings.CutSuffix(p[1:], "}")
	kind := wildcard
	if ok && strings.HasSuffix(name, "...") {
		name, kind = strings.TrimSuffix(name, "..."), rest
	}
	if !ok || !identifier(name) {
		return fmt.Errorf("%q is no wildcard: want {name} or {name...}", p)
	}
	if kind == rest && !last {
		return fmt.Errorf("%q must be the last segment", p)
	}
	if slices.Contains(r.params, name) {
		return fmt.Errorf("two wildcards are called %q", name)
	}
	r.segments = append(r.segments, segment{kind: kind})
	r.params = append(r.params, name)
	return nil
}

func identifier(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && lower(c)-'a' >= 26 && (i == 0 || c-'0' > 9) {
			return false
		}
	}
	return s != ""
}

// conflicts says that two patterns have requests in common and neither is a subset of
// the other, or that they are the same.
func (r *route) conflicts(o *route) bool {
	path := comparePaths(r.segments, o.segments)
	if path == disjoint || r.method != o.method && r.method != "" && o.method != "" {
		return false
	}
	method := equivalent
	switch {
	case r.method == "" && o.method != "":
		method = moreGeneral
	case r.method != "" && o.method == "":
		method = moreSpecific
	}
	switch {
	case path == overlaps:
		return true
	case path == equivalent:
		return method == equivalent
	case method == equivalent:
		return false
	}
	return path != method
}

type relation uint8

const (
	equivalent relation = iota
	moreGeneral
	moreSpecific
	disjoint
	overlaps
)

// comparePaths relates the sets of paths that two patterns match.
func comparePaths(a, b []segment) relation {
	r := equivalent
	join := func(n relation) {
		switch {
		case r == equivalent || r == n:
			r = n
		case n != equivalent:
			r = overlaps
		}
	}
	for i := 0; ; i++ {
		aEnd, bEnd := i == len(a), i == len(b)
		switch {
		case aEnd && bEnd:
			return r
		case aEnd || bEnd:
			return disjoint
		}
		x, y := a[i], b[i]
		switch {
		case x.kind == rest && y.kind == rest:
			return r
		case x.kind == rest:
			join(moreGeneral)
			return r
		case y.kind == rest:
			join(moreSpecific)
			return r
		case x.kind == end || y.kind == end:
			if x.kind != y.kind {
				return disjoint
			}
		case x.kind == wildcard && y.kind == literal:
			join(moreGeneral)
		case x.kind == literal && y.kind == wildcard:
			join(moreSpecific)
		case x.kind == literal && x.text != y.text:
			return disjoint
		}
	}
}

func (rt *Router) insert(r *route) {
	n := &rt.root
	var at **leafs
	for _, s := range r.segments {
		switch s.kind {
		case literal:
			if n.literals == nil {
				n.literals = map[string]*node{}
			}
			if n.literals[s.text] == nil {
				n.literals[s.text] = &node{}
			}
			n = n.literals[s.text]
		case wildcard:
			if n.wild == nil {
				n.wild = &node{}
			}
			n = n.wild
		case rest:
			at = &n.rest
		case end:
			at = &n.end
		}
	}
	if at == nil {
		at = &n.here
	}
	if *at == nil {
		*at = &leafs{}
	}
	(*at).add(r)
	if path, ok := r.static(); ok {
		if rt.static == nil {
			rt.static = map[string]*leafs{}
		}
		rt.static[path] = *at
	}
}

// static returns the path that a pattern without wildcards matches, as it is usually
// sent. Nothing is more specific. One with a percent sign in it is left to the walk,
// which decodes.
func (r *route) static() (path string, ok bool) {
	for _, s := range r.segments {
		switch s.kind {
		case literal:
			path += "/" + s.text
		case end:
			path += "/"
		default:
			return "", false
		}
	}
	return path, !strings.Contains(path, "%")
}

func (l *leafs) add(r *route) {
	if r.method == "" {
		l.any = r
		return
	}
	l.methods = append(l.methods, r)
	methods := []string{"OPTIONS"}
	for _, o := range l.methods {
		methods = append(methods, o.method)
		if o.method == "GET" {
			methods = append(methods, "HEAD")
		}
	}
	slices.Sort(methods)
	l.allow = strings.Join(slices.Compact(methods), ", ")
}

// pick returns the route for a method: its own, GET for HEAD, any.
func (l *leafs) pick(method string) *route {
	for _, r := range l.methods {
		if r.method == method {
			return r
		}
	}
	if method == "HEAD" {
		for _, r := range l.methods {
			if r.method == "GET" {
				return r
			}
		}
	}
	return l.any
}

// match is a lookup under way. It goes into literals first, then into wildcards, then
// takes rests, and returns to try the next when a branch leads nowhere.
type match struct {
	method string
	vals   [maxParams]span
	n      int
	path   []byte
	found  *route
	missed bool // a path matched, with other methods alone
	gather bool // those go into others
	others []*leafs
}

// walk matches the path from pos on, which is behind a slash.
func (m *match) walk(n *node, pos int) bool {
	if pos > len(m.path) {
		return m.take(n.here)
	}
	stop := pos
	for stop < len(m.path) && m.path[stop] != '/' {
		stop++
	}
	seg := m.path[pos:stop]
	mark := m.n
	if len(seg) > 0 {
		if n.literals != nil {
			if next := n.literal(seg); next != nil && m.walk(next, stop+1) {
				return true
			}
			m.n = mark
		}
		if n.wild != nil {
			m.vals[m.n] = span{uint32(pos), uint32(stop)}
			m.n++
			if m.walk(n.wild, stop+1) {
				return true
			}
			m.n = mark
		}
	}
	if pos == len(m.path) && m.take(n.end) {
		return true
	}
	if n.rest != nil {
		m.vals[m.n] = span{uint32(pos), uint32(len(m.path))}
		m.n++
		if m.take(n.rest) {
			return true
		}
		m.n = mark
	}
	return false
}

// literal finds the child for a raw segment; escapes are decoded only where there are any.
func (n *node) literal(seg []byte) *node {
	for _, c := range seg {
		if c == '%' {
			s, err := unescape(string(seg), false)
			if err != nil {
				return nil
			}
			return n.literals[s]
		}
	}
	return n.literals[string(seg)]
}

func (m *match) take(l *leafs) bool {
	if l == nil {
		return false
	}
	if r := l.pick(m.method); r != nil {
		m.found = r
		return true
	}
	m.missed = true
	if m.gather {
		m.others = append(m.others, l)
	}
	return false
}

// allowed lists the methods of all patterns that match a path, of which none takes any
// method (RFC 9110 §10.2.1).
func (rt *Router) allowed(path []byte) string {
	m := match{path: path, gather: true}
	m.walk(&rt.root, 1)
	if len(m.others) == 1 {
		return m.others[0].allow
	}
	var methods []string
	for _, l := range m.others {
		methods = append(methods, strings.Split(l.allow, ", ")...)
	}
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ", ")
}

// Handler returns the router as a handler.
func (rt *Router) Handler() Handler {
	h := Handler(rt.dispatch)
	for i := len(rt.use) - 1; i >= 0; i-- {
		h = rt.use[i](h)
	}
	outer := h
	return func(w *Response, r *Request) error {
		if err := rt.find(r); err != nil {
			r.fallback = err
		}
		return outer(w, r)
	}
}

// find sets the request's route and wildcards.
func (rt *Router) find(r *Request) *fallback {
	path := r.head.path.of(r.head.buf)
	if l := rt.static[string(path)]; l != nil {
		if r.route = l.pick(r.Method()); r.route != nil {
			return nil
		}
	}
	if len(path) == 0 {
		if r.Method() == "OPTIONS" {
			return &fallback{allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
		}
		path = []byte("/")
	}
	if !validPath(path) {
		return &fallback{err: Errorf(400, "the path has a broken percent-encoding or a NUL")}
	}
	m := match{method: r.Method(), path: path}
	m.walk(&rt.root, 1)
	switch {
	case m.found != nil:
		r.route, r.nvals = m.found, m.n
		for i, s := range m.vals[:m.n] {
			r.spans[i] = span{r.head.path.from + s.from, r.head.path.from + s.to}
		}
		return nil
	case m.missed:
		return &fallback{allow: rt.allowed(path)}
	}
	return &fallback{err: &Error{Status: 404, Detail: "nothing is here"}}
}

// fallback is what happens when no route matches.
type fallback struct {
	allow string // other methods are
	err   error
}

// validPath checks the percent-encoding of a path.
func validPath(p []byte) bool {
	for i := 0; i < len(p); i++ {
		if p[i] == '%' {
			if i+2 >= len(p) || hexDigit(p[i+1]) < 0 || hexDigit(p[i+2]) < 0 || p[i+1] == '0' && p[i+2] == '0' {
				return false
			}
		}
	}
	return true
}

func (rt *Router) dispatch(w *Response, r *Request) error {
	f := r.fallback
	switch {
	case f == nil:
		return r.route.handler(w, r)
	case f.err != nil:
		return f.err
	case r.Method() == "OPTIONS":
		w.Status(204)
		return w.SetHeader("Allow", f.allow)
	}
	return &Error{Status: 405, Detail: r.Method() + " is not allowed here; allowed: " + f.allow, Header: [][2]string{{"Allow", f.allow}}}
}

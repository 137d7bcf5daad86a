package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
)

// FileOptions says how [FileServer] serves. The zero value takes the defaults.
type FileOptions struct {
	// Prefix is taken off the request's path; others are not found. Default "/".
	Prefix string
	// Index is served for a folder; default "index.html". There are no listings: a folder
	// without it is not found.
	Index string
	// Hidden serves names that begin with a dot too. Without it only .well-known (RFC
	// 8615) in the root is served of those.
	Hidden bool
	// Precompressed serves name.br or name.gz in place of name to clients that take that
	// coding, when it is there and not older than name.
	Precompressed bool
	// CacheControl is the field of that name for all files; default "no-cache": kept by
	// clients, asked about each time.
	CacheControl string
	// Immutable says which files never change under their name, as those with a hash in
	// it: they get "public, max-age=31536000, immutable". Default: none.
	Immutable func(name string) bool
	// Untrusted says that strangers chose the content: nothing in it may run as a part of
	// this site. All files get a Content-Security-Policy that allows nothing, and those that could
	// hold scripts (HTML, SVG, XML, PDF, JavaScript) are downloaded in place of shown.
	Untrusted bool
	// Type returns the media type of a file; default [FileType].
	Type func(name string) string
	// NotFound answers when there is no such file, for applications that route in the
	// browser; default a 404.
	NotFound Handler
}

// FileServer serves the files of fsys to GET and HEAD, each as [Response.ServeContent]
// does: conditions, ranges, validators. For a folder on disk give it the FS of an os.Root:
//
//	root, err := os.OpenRoot("public")
//	h := wire.FileServer(root.FS(), wire.FileOptions{Precompressed: true})
//	err = router.Get("/{path...}", h)
//
// A path is decoded once and must then be that of a file: no "..", "." or empty segment,
// no backslash, control byte or encoded slash, no name that begins with a dot. Everything
// else is 404, whatever the file system would make of it. Only regular files are opened.
// Symbolic links are what fsys makes of them: an os.Root follows those that stay inside and
// refuses the others, os.DirFS follows all.
//
// A folder asked for without its final slash is redirected to the path with it, by a
// relative reference, so to no other host. The ETag is made of time and size, or, in file
// systems without times such as embed.FS, of the content; those are taken not to change.
func FileServer(fsys fs.FS, o FileOptions) Handler {
	if o.Prefix == "" {
		o.Prefix = "/"
	}
	if o.Index == "" {
		o.Index = "index.html"
	}
	if o.CacheControl == "" {
		o.CacheControl = "no-cache"
	}
	if o.Type == nil {
		o.Type = FileType
	}
	s := &fileServer{FileOptions: o, fsys: fsys}
	return s.serve
}

// ServeFile answers with one file of fsys, whatever the request's path. The name is a path
// as in io/fs and comes from the program, not from the client. For a file without a time
// the content is read for each entity tag; [FileServer] keeps those.
func (w *Response) ServeFile(r *Request, fsys fs.FS, name string) error {
	s := &fileServer{FileOptions: FileOptions{CacheControl: "no-cache", Type: FileType}, fsys: fsys}
	info, err := fs.Stat(fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return s.fault(name, err)
	}
	return s.file(w, r, name, info)
}

type fileServer struct {
	FileOptions
	fsys fs.FS
	tags sync.Map // of files without times, name to entity tag; as many as there are files
}

func (s *fileServer) serve(w *Response, r *Request) error {
	if !isRead(&r.head) {
		return &Error{Status: 405, Detail: "files can be read only", Header: [][2]string{{"Allow", "GET, HEAD"}}}
	}
	name, folder, ok := fileName(r.RawPath(), s.Prefix, s.Hidden)
	if !ok {
		return s.missing(w, r, nil)
	}
	info, err := fs.Stat(s.fsys, name)
	if err == nil && info.IsDir() {
		if !folder {
			return redirectToFolder(w, r)
		}
		name = path.Join(name, s.Index)
		info, err = fs.Stat(s.fsys, name)
		folder = false
	}
	switch {
	case err != nil:
		if e := s.fault(name, err); e.Status != 404 {
			return e
		}
		return s.missing(w, r, err)
	case folder || !info.Mode().IsRegular():
		return s.missing(w, r, nil)
	}
	return s.file(w, r, name, info)
}

func (s *fileServer) missing(w *Response, r *Request, err error) error {
	if s.NotFound != nil {
		return s.NotFound(w, r)
	}
	return &Error{Status: 404, Detail: "there is no such file", Err: err}
}

// fault is what an error of the file system means to the client. What cannot be told from
// a missing file by a stranger is one: no permission, a path through a file, a link that
// leads outside or in a circle. The rest is trouble of this machine.
func (s *fileServer) fault(name string, err error) *Error {
	e := &Error{Status: 404, Detail: "there is no such file", Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrInvalid), s.strange(name):
	case passing(err):
		e.Status, e.Detail = 503, ""
	default:
		e.Status, e.Detail = 500, ""
	}
	return e
}

// strange says that the path goes through something that is no folder.
func (s *fileServer) strange(name string) bool {
	for i := 1; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		info, err := fs.Lstat(s.fsys, name[:i])
		if err != nil {
			return false
		}
		if !info.IsDir() {
			return i < len(name) || info.Mode()&fs.ModeSymlink != 0
		}
	}
	return false
}

// maxNameBytes bounds a file's path, and maxSegmentBytes each name in it, as file
// systems do.
const (
	maxNameBytes    = 2048
	maxSegmentBytes = 255
)

// fileName makes the name of a file, as in io/fs, of a path as it was sent. folder says
// that it ends in a slash. ok is false for what is no path of a file.
func fileName(raw, prefix string, hidden bool) (name string, folder, ok bool) {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] == '%' && raw[i+1] == '2' && lower(raw[i+2]) == 'f' {
			return "", false, false // a slash inside a name
		}
	}
	p, err := unescape(raw, false)
	if err != nil {
		return "", false, false
	}
	name, ok = strings.CutPrefix(p, prefix)
	if !ok || len(name) > maxNameBytes {
		return "", false, false
	}
	if prefix[len(prefix)-1] != '/' && name != "" {
		if name, ok = strings.CutPrefix(name, "/"); !ok {
			return "", false, false
		}
	}
	name, folder = strings.CutSuffix(name, "/")
	if name == "" {
		return ".", strings.HasSuffix(p, "/"), !folder // "//" is no folder
	}
	return name, folder, fs.ValidPath(name) && validSegments(name, hidden)
}

func validSegments(name string, hidden bool) bool {
	first := true
	for seg := range strings.SplitSeq(name, "/") {
		if len(seg) > maxSegmentBytes || seg[0] == '.' && !hidden && !(first && seg == ".well-known") {
			return false
		}
		for i := range len(seg) {
			if c := seg[i]; c < 0x20 || c == 0x7F || c == '\\' {
				return false
			}
		}
		first = false
	}
	return true
}

// redirectToFolder adds the final slash. The reference is relative: "./name/".
func redirectToFolder(w *Response, r *Request) error {
	raw := r.RawPath()
	location := "./" + raw[strings.LastIndexByte(raw, '/')+1:] + "/"
	if q := r.RawQuery(); q != "" {
		location += "?" + q
	}
	w.Status(301)
	return w.SetHeader("Location", location)
}

// file answers with a regular file.
func (s *fileServer) file(w *Response, r *Request, name string, info fs.FileInfo) error {
	c := Content{Type: s.Type(name)}
	err := s.policies(w, name, &c)
	if err != nil {
		return err
	}
	if s.Precompressed {
		if name, info, err = s.variant(w, r, name, info); err != nil {
			return err
		}
	}
	if isConditional(&r.head) { // most often nothing has changed, and the file stays closed
		if err := s.validators(name, info, &c); err != nil {
			return err
		}
		if done, err := w.conditions(r, &c); done || err != nil {
			return err
		}
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return s.fault(name, err)
	}
	defer f.Close() // it was only read
	if info, err = f.Stat(); err != nil {
		return s.fault(name, err)
	}
	if !info.Mode().IsRegular() {
		return &Error{Status: 404, Detail: "there is no such file"}
	}
	if err := s.validators(name, info, &c); err != nil {
		return err
	}
	c.Body, c.Size = f, info.Size()
	return w.ServeContent(r, c)
}

// isConditional says that a request may be answered without the content.
func isConditional(h *head) bool {
	_, tag := h.field("if-none-match")
	_, date := h.field("if-modified-since")
	return tag || date
}

// validators sets what is known of a file's version.
func (s *fileServer) validators(name string, info fs.FileInfo, c *Content) (err error) {
	if timed(info) {
		c.Modified = info.ModTime()
	}
	c.ETag, err = s.tag(name, info)
	return err
}

// policies sets the fields that do not depend on the content.
func (s *fileServer) policies(w *Response, name string, c *Content) error {
	cache := s.CacheControl
	if s.Immutable != nil && s.Immutable(name) {
		cache = "public, max-age=31536000, immutable"
	}
	if err := w.SetHeader("Cache-Control", cache); err != nil || !s.Untrusted {
		return err
	}
	if activeType(c.Type) {
		if err := w.SetHeader("Content-Disposition", "attachment"); err != nil {
			return err
		}
	}
	return w.SetHeader("Content-Security-Policy", "default-src 'none'; sandbox")
}

// variant chooses between a file and its compressed forms.
func (s *fileServer) variant(w *Response, r *Request, name string, info fs.FileInfo) (string, fs.FileInfo, error) {
	br, hasBr := s.fresh(name+".br", info)
	gz, hasGz := s.fresh(name+".gz", info)
	if !hasBr && !hasGz {
		return name, info, nil
	}
	if err := w.AddHeader("Vary", "Accept-Encoding"); err != nil {
		return name, info, err
	}
	accepted := acceptedCodings(&r.head)
	switch accepted.choose(hasGz, hasBr) {
	case brotli:
		return name + ".br", br, w.SetHeader("Content-Encoding", "br")
	case gzipped:
		return name + ".gz", gz, w.SetHeader("Content-Encoding", "gzip")
	case refused:
		return name, info, &Error{Status: 406, Detail: "the client accepts no form in which this file is there"}
	}
	return name, info, nil
}

// fresh looks for a compressed form that is not older than its source.
func (s *fileServer) fresh(name string, source fs.FileInfo) (fs.FileInfo, bool) {
	info, err := fs.Stat(s.fsys, name)
	return info, err == nil && info.Mode().IsRegular() && !info.ModTime().Before(source.ModTime())
}

// timed says that a file's time means something: file systems without times give none,
// reproducible builds the epoch.
func timed(info fs.FileInfo) bool {
	t := info.ModTime()
	return !t.IsZero() && t.Unix() != 0
}

// tag makes the entity tag of a file.
func (s *fileServer) tag(name string, info fs.FileInfo) (string, error) {
	if t := info.ModTime(); timed(info) {
		b := append(make([]byte, 0, 40), '"')
		b = append(strconv.AppendUint(b, uint64(t.UnixNano()), 36), '-')
		return string(append(strconv.AppendInt(b, info.Size(), 36), '"')), nil
	}
	if t, ok := s.tags.Load(name); ok {
		return t.(string), nil
	}
	t, err := contentTag(s.fsys, name)
	if err == nil {
		s.tags.Store(name, t)
	}
	return t, err
}

// contentTag makes an entity tag of a file's content.
func contentTag(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("wire: entity tag of %s: %w", name, err)
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`, nil
}

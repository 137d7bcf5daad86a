package wire

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Form is a form that was sent, whole: its fields in memory, its files on disk.
type Form struct {
	Fields Query // in the order they were sent
	Files  []*File
}

// Get returns the first value of a field; "" when there is none.
func (f *Form) Get(name string) string { return f.Fields.Get(name) }

// File returns the first file of a field; nil when there is none.
func (f *Form) File(name string) *File {
	for _, file := range f.Files {
		if file.Field == name {
			return file
		}
	}
	return nil
}

// File is a file of a form. It lies in a temporary file of the server until the handler
// returns.
type File struct {
	Field string // name of the form's field
	Name  string // last element of the path the client gave; it may be empty, and is not to be trusted
	Type  string // media type that the client claims
	Size  int64  // bytes

	path string // "" once it is gone
}

// Open opens the file for reading.
func (f *File) Open() (*os.File, error) {
	if f.path == "" {
		return nil, fmt.Errorf("wire: file %.40q of a form: %w", f.Name, fs.ErrClosed)
	}
	return os.Open(f.path)
}

// Keep moves the file to a path, which the program has chosen. It must be on the file
// system of FormLimits.TempDir. A file that is there is replaced.
func (f *File) Keep(path string) error {
	if f.path == "" {
		return fmt.Errorf("wire: file %.40q of a form: %w", f.Name, fs.ErrClosed)
	}
	if err := os.Rename(f.path, path); err != nil {
		return fmt.Errorf("wire: keep a file: %w", err)
	}
	f.path = ""
	return nil
}

// remove deletes the file unless it was kept.
func (f *File) remove() error {
	if f.path == "" {
		return nil
	}
	err := os.Remove(f.path)
	f.path = ""
	return err
}

// Form reads a form from the body: application/x-www-form-urlencoded, or
// multipart/form-data with its files spooled to disk. It is read when first asked for;
// later calls return the same and ignore limits. The files are removed when the handler
// returns, those aside that [File.Keep] took. Fields of a file input that was left empty
// are left out.
//
// Errors are *[Error]: 415 for another media type, 400 for a form that is malformed or
// ends early, 413 for a limit; others when the disk fails.
func (r *Request) Form(limits FormLimits) (*Form, error) {
	if r.form != nil {
		return r.form, nil
	}
	limits.defaults()
	v, _ := r.head.field("content-type")
	media, _ := parameters(string(v), func(string, string) bool { return true })
	if equalFold(media, "application/x-www-form-urlencoded") {
		return r.urlencoded(&limits)
	}
	if !equalFold(media, "multipart/form-data") {
		return nil, &Error{Status: 415, Detail: "the body must be a form", Header: [][2]string{{"Accept", "application/x-www-form-urlencoded, multipart/form-data"}}}
	}
	m, err := r.multipart(limits)
	if err != nil {
		return nil, err
	}
	defer m.release()
	f := &Form{}
	if err := f.spool(m); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	r.form = f
	return f, nil
}

// urlencoded reads pairs (WHATWG URL §5.1).
func (r *Request) urlencoded(l *FormLimits) (*Form, error) {
	b, err := r.BorrowBody(l.MaxMemoryBytes)
	if err != nil {
		return nil, err
	}
	text := string(b)
	if strings.Count(text, "&") >= l.MaxFields {
		return nil, Errorf(413, "the form has more than %d fields", l.MaxFields)
	}
	f := &Form{Fields: ParseQuery(text)}
	if f.Fields.Err != nil {
		return nil, &Error{Status: 400, Detail: "the form holds a broken percent-encoding", Err: f.Fields.Err}
	}
	for _, p := range f.Fields.Pairs {
		if int64(len(p[1])) > l.MaxFieldBytes {
			return nil, (&Part{Name: p[0]}).tooLarge()
		}
	}
	r.form = f
	return f, nil
}

// spool reads all parts.
func (f *Form) spool(m *multipartBody) error {
	memory := m.limits.MaxMemoryBytes
	for {
		p, err := m.nextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if p.IsFile {
			if err := f.addFile(p, m.limits.TempDir); err != nil {
				return err
			}
			continue
		}
		var value strings.Builder
		if p.left = min(p.left, memory-int64(len(p.Name))); p.left < 0 {
			return Errorf(413, "the fields of the form are larger than is allowed here")
		}
		if _, err := p.WriteTo(&value); err != nil {
			return err
		}
		memory -= int64(len(p.Name) + value.Len())
		f.Fields.Pairs = append(f.Fields.Pairs, [2]string{p.Name, value.String()})
	}
}

// addFile writes a part into a temporary file.
func (f *Form) addFile(p *Part, dir string) (err error) {
	first, err := p.next(multipartBuffer)
	if err == io.EOF && p.FileName == "" {
		return nil // an input without a choice (HTML §4.10.22.4)
	}
	if err != nil && err != io.EOF {
		return err
	}
	tmp, err := os.CreateTemp(dir, "wire-upload-*")
	if err != nil {
		return fmt.Errorf("wire: a temporary file for an upload: %w", err)
	}
	file := &File{Field: p.Name, Name: p.FileName, Type: p.Type, path: tmp.Name()}
	f.Files = append(f.Files, file)
	defer func() { err = errors.Join(err, tmp.Close()) }()
	n, err := tmp.Write(first)
	if err != nil {
		return err
	}
	more, err := p.WriteTo(tmp)
	file.Size = int64(n) + more
	return err
}

// remove deletes the files.
func (f *Form) remove() (err error) {
	for _, file := range f.Files {
		err = errors.Join(err, file.remove())
	}
	return err
}

package model

import "reflect"

// Blob is a field that names a file: what it holds stands beside the log, the record holds
// this. The zero value, or nil of a *Blob, names none.
type Blob struct {
	ID          string `json:"id" http:"validate=regex(\"^([0-9a-f]{64})?$\")"` // SHA-256 of the content, in hexadecimal digits
	Size        int64  `json:"size"`                                            // bytes; set by the server
	ContentType string `json:"content_type" http:"validate=max_length(200)"`    // media type
	Name        string `json:"name" http:"validate=max_length(255)"`            // of the file, without folders
}

var blobType = reflect.TypeFor[Blob]()

// Blobs returns the fields of a model that name files: those of type [Blob] or *Blob.
func (m *Model) Blobs() (list []*Field) {
	for _, f := range m.Fields {
		if t := f.GoType; t == blobType || t.Kind() == reflect.Pointer && t.Elem() == blobType {
			list = append(list, f)
		}
	}
	return list
}

// BlobOf returns the blob in a field of the record v points to; nil when it names none.
// The field is one of those that [Model.Blobs] returned.
func (f *Field) BlobOf(v any) *Blob {
	b := reflect.ValueOf(v).Elem().FieldByIndex(f.Index)
	if b.Kind() != reflect.Pointer {
		b = b.Addr()
	}
	blob, _ := b.Interface().(*Blob)
	if blob == nil || blob.ID == "" {
		return nil
	}
	return blob
}

// SetBlob puts a blob into a field of the record v points to; nil takes it out.
func (f *Field) SetBlob(v any, blob *Blob) {
	b := reflect.ValueOf(v).Elem().FieldByIndex(f.Index)
	switch {
	case blob == nil:
		b.SetZero()
	case b.Kind() == reflect.Pointer:
		b.Set(reflect.ValueOf(blob))
	default:
		b.Set(reflect.ValueOf(*blob))
	}
}

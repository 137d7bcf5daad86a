package lithair

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lithair/lithair-go/backup"
	"github.com/lithair/lithair-go/blob"
	"github.com/lithair/lithair-go/internal/crypt"
	"github.com/lithair/lithair-go/internal/disk"
)

type photo struct {
	ID    ID     `json:"id" lithair:"primary_key"`
	Title string `json:"title"`
	Image *Blob  `json:"image"`
	Raw   Blob   `json:"raw"`
}

// send sends a body that is no JSON.
func send(t *testing.T, a *App, method, path, contentType string, body []byte, fields ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+a.Addr()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for _, f := range fields {
		name, v, _ := strings.Cut(f, ": ")
		req.Header.Set(name, v)
	}
	res, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

func formOf(t *testing.T, name, contentType string, content []byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err := w.WriteField("comment", "not the file")
	part, e := w.CreatePart(map[string][]string{"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename=%q`, name)}, "Content-Type": {contentType}})
	if err := errors.Join(err, e); err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func created(t *testing.T, a *App, body string) (id string) {
	t.Helper()
	res := call(t, a, "POST", "/api/photos", body)
	var v struct{ ID string }
	if err := json.Unmarshal([]byte(res.body), &v); err != nil || res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	return v.ID
}

// TestBlobs uploads and downloads files in every way, and is refused what must not be.
func TestBlobs(t *testing.T) {
	a := newApp(t, Config{MaxBlobBytes: 1 << 20, MaxBodyBytes: 4096})
	Model[photo](a, "/api/photos")
	start(t, a)
	content := bytes.Repeat([]byte("PNG of a cat, "), 20_000)
	id := created(t, a, `{"title":"cat"}`)
	image := "/api/photos/" + id + "/image"
	if res := call(t, a, "GET", image, ""); res.StatusCode != 404 {
		t.Errorf("no file yet: %d", res.StatusCode)
	}
	kind, form := formOf(t, `C:\pictures\cat.png`, "image/png", content)
	res := send(t, a, "PUT", image, kind, form)
	var b Blob
	if err := json.Unmarshal([]byte(res.body), &b); err != nil || res.StatusCode != 200 || b.Size != int64(len(content)) || b.ContentType != "image/png" || b.Name != "cat.png" || res.Header.Get("Lithair-Index") == "" {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	if got := call(t, a, "GET", "/api/photos/"+id, "").body; !strings.Contains(got, b.ID) {
		t.Errorf("the record: %s", got)
	}
	for _, c := range []struct {
		fields string
		status int
		want   []byte
	}{
		{"", 200, content}, {"Range: bytes=5-9", 206, content[5:10]}, {"Range: bytes=-3", 206, content[len(content)-3:]},
		{"Range: bytes=9999999-", 416, nil}, {`If-None-Match: "` + b.ID + `"`, 304, []byte{}}, {`If-Match: "other"`, 412, nil},
	} {
		res := call(t, a, "GET", image, "", "Accept: */*", cmp.Or(c.fields, "Accept: */*"))
		if res.StatusCode != c.status || c.want != nil && res.body != string(c.want) {
			t.Errorf("%s: %d with %d bytes", c.fields, res.StatusCode, len(res.body))
		}
		if c.status < 300 && (res.Header.Get("Etag") != `"`+b.ID+`"` || res.Header.Get("Content-Type") != "image/png" || res.Header.Get("X-Content-Type-Options") != "nosniff") {
			t.Errorf("%s: %v", c.fields, res.Header)
		}
	}

	raw := "/api/photos/" + id + "/raw"
	html := []byte("<script>alert(1)</script>")
	if res := send(t, a, "PUT", raw, "text/html", html, `Content-Disposition: attachment; filename="../x.html"`); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	res = call(t, a, "GET", raw, "")
	if res.body != string(html) || !strings.HasPrefix(res.Header.Get("Content-Disposition"), `attachment; filename="x.html"`) || !strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%v %s", res.Header, res.body)
	}
	if res := send(t, a, "PUT", raw, "text/plain", []byte("x"), `If-Match: "other"`); res.StatusCode != 412 {
		t.Errorf("If-Match of another file: %d", res.StatusCode)
	}

	res = send(t, a, "POST", "/api/_blobs", "text/plain", []byte("alone"))
	if res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	second := created(t, a, `{"title":"by hand","image":`+strings.Replace(res.body, `"size":5`, `"size":77`, 1)+`}`)
	if got := call(t, a, "GET", "/api/photos/"+second+"/image", ""); got.body != "alone" || !strings.Contains(call(t, a, "GET", "/api/photos/"+second, "").body, `"size":5`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}

	for name, c := range map[string]struct {
		res    answer
		status int
	}{
		"a file nobody uploaded": {call(t, a, "POST", "/api/photos", `{"image":{"id":"`+strings.Repeat("0", 64)+`"}}`), 422},
		"no hash":                {call(t, a, "POST", "/api/photos", `{"image":{"id":"../../etc/passwd"}}`), 422},
		"too large":              {send(t, a, "PUT", raw, "text/plain", make([]byte, 1<<20+1)), 413},
		// Asked first: the server drains no more than 1 MiB of what nobody wants, then resets.
		"far too large":       {send(t, a, "PUT", raw, "text/plain", make([]byte, 4<<20), "Expect: 100-continue"), 413},
		"no record":           {send(t, a, "PUT", "/api/photos/"+strings.Repeat("0", 36)+"/raw", "text/plain", []byte("x")), 404},
		"no file in the form": {send(t, a, "PUT", raw, `multipart/form-data; boundary=x`, []byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n")), 400},
		"a form that ends":    {send(t, a, "PUT", raw, `multipart/form-data; boundary=x`, []byte("--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nb")), 400},
		"another method":      {call(t, a, "POST", raw, ""), 405},
	} {
		if c.res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d: %.300s", name, c.res.StatusCode, c.status, c.res.body)
		}
	}
	if res := call(t, a, "DELETE", image, ""); res.StatusCode != 204 {
		t.Errorf("delete: %d %s", res.StatusCode, res.body)
	}
	if res := call(t, a, "GET", image, ""); res.StatusCode != 404 {
		t.Errorf("deleted: %d", res.StatusCode)
	}
}

// TestBlobsAreGuarded: who may not read or change the record may not its files.
func TestBlobsAreGuarded(t *testing.T) {
	a := newApp(t, Config{})
	Model[photo](a, "/api/photos")
	a.Authorize(func(_ Principal, act Action) error {
		if act.Verb != "read" {
			return errors.New("no")
		}
		return nil
	})
	start(t, a)
	var id ID
	if err := a.Update(t.Context(), func(tx *Tx) error { id = tx.NewID(); return nil }); err != nil {
		t.Fatal(err)
	}
	path := "/api/photos/" + id.String() + "/image"
	for _, c := range []struct {
		res    answer
		status int
	}{{call(t, a, "GET", path, ""), 404}, {send(t, a, "PUT", path, "text/plain", []byte("x")), 403}, {call(t, a, "DELETE", path, ""), 403}, {send(t, a, "POST", "/api/_blobs", "text/plain", []byte("x")), 403}} {
		if c.res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.res.Request.Method, c.res.StatusCode, c.status)
		}
	}
}

// TestBlobsLiveAsLongAsHistory: a file goes when no state that can be read names it any
// more; it is in backups, sealed where data is, and comes back with a restore.
func TestBlobsLiveAsLongAsHistory(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	keys := keyFile(t, keyA)
	cfg := Config{Dir: dir, EncryptionKeyFile: keys, Retention: "snapshot", Clock: func() time.Time { return now }}
	a := newApp(t, cfg)
	photos := Model[photo](a, "/api/photos")
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	put := func(text string) Blob {
		t.Helper()
		b, err := a.PutBlob(strings.NewReader(text), "f", "text/plain")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var id ID
	write := func(b *Blob) {
		t.Helper()
		if err := a.Update(t.Context(), func(tx *Tx) error {
			p := photo{ID: id, Image: b}
			if id == (ID{}) {
				err := photos.Insert(tx, &p)
				id = p.ID
				return err
			}
			return photos.Put(tx, &p)
		}); err != nil {
			t.Fatal(err)
		}
	}
	collect := func(want int) {
		t.Helper()
		now = now.Add(2 * time.Hour)
		if n, err := a.CollectBlobs(t.Context()); err != nil || n != want {
			t.Errorf("%d removed, want %d, %v", n, want, err)
		}
	}
	first, second := put(marker+" first"), put(marker+" second")
	put("of nobody")
	write(&first)
	write(&second)
	collect(1) // that of nobody
	var file bytes.Buffer
	if _, err := a.Backup(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	for i := range 4 { // the log before the snapshots goes by whole segments, of which there is one
		write(&Blob{ID: second.ID, Name: fmt.Sprint(i)})
		if err := a.engine.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	collect(0) // the log still tells of the first one
	third := put("third")
	write(&third)
	write(nil)
	collect(0)
	nothingShows(t, dir)
	if bytes.Contains(file.Bytes(), []byte(marker)) {
		t.Error("the backup shows what is in it")
	}
	if err := stop(a); err != nil {
		t.Fatal(err)
	}

	cfg.Dir = filepath.Join(t.TempDir(), "back")
	done, err := backup.Restore(bytes.NewReader(file.Bytes()), backup.Options{Dir: cfg.Dir, Keys: crypt.File(keys)})
	if err != nil || done.Files != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	nothingShows(t, cfg.Dir)
	b := newApp(t, cfg)
	Model[photo](b, "/api/photos")
	start(t, b)
	for _, f := range []Blob{first, second} {
		if err := b.VerifyBlob(f); err != nil {
			t.Error(err)
		}
	}
	if res := call(t, b, "GET", "/api/photos/"+id.String()+"/image", ""); res.body != marker+" second" {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	if _, err := b.OpenBlob(third); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a file that was put after the backup: %v", err)
	}
}

// TestUploadWithoutRoom: a file for which the disk has no room is refused as a record would be, and taken when there is room.
func TestUploadWithoutRoom(t *testing.T) {
	sim := disk.NewSim(1)
	a := newApp(t, Config{Dir: "data", FS: sim})
	Model[photo](a, "/api/photos")
	start(t, a)
	content := make([]byte, 64<<10)
	sim.SetCapacity(sim.Used() + 1000)
	if got := send(t, a, "POST", "/api/_blobs", "image/png", content); got.StatusCode != 507 || !strings.Contains(got.body, "LTH1031") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	sim.SetCapacity(0)
	if got := send(t, a, "POST", "/api/_blobs", "image/png", content); got.StatusCode != 201 {
		t.Errorf("when there is room: %d %s", got.StatusCode, got.body)
	}
}

// TestCodedBodies: a body that says it is gzip is read as such, JSON and files; what is coded otherwise, or larger once it is read, is refused
// for what it is, and not taken for wrong JSON or for another file.
func TestCodedBodies(t *testing.T) {
	a := newApp(t, Config{})
	Model[photo](a, "/api/photos")
	start(t, a)
	zipped := func(b []byte) []byte {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return z.Bytes()
	}
	got := send(t, a, "POST", "/api/photos", "application/json", zipped([]byte(`{"title":"by gzip"}`)), "Content-Encoding: gzip")
	if got.StatusCode != 201 || !strings.Contains(got.body, `"title":"by gzip"`) {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	id := created(t, a, `{"title":"plain"}`)
	content := []byte(strings.Repeat("a file ", 1000))
	if got := send(t, a, "PUT", "/api/photos/"+id+"/image", "text/plain", zipped(content), "Content-Encoding: gzip"); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if got := call(t, a, "GET", "/api/photos/"+id+"/image", ""); got.body != string(content) {
		t.Errorf("%d bytes of the file come back, want %d", len(got.body), len(content))
	}
	large := zipped(bytes.Repeat([]byte{' '}, 17<<20))
	for _, c := range []struct {
		coding string
		body   []byte
		want   int
	}{{"br", []byte("x"), 415}, {"gzip, gzip", zipped(zipped([]byte(`{}`))), 415}, {"gzip", []byte(`{"title":"no gzip"}`), 400}, {"gzip", large, 413}, {"identity", []byte(`{"title":"as it is"}`), 201}} {
		if got := send(t, a, "POST", "/api/photos", "application/json", c.body, "Content-Encoding: "+c.coding); got.StatusCode != c.want || strings.Contains(got.body, "JSON") {
			t.Errorf("%s: %d %s, want %d", c.coding, got.StatusCode, got.body, c.want)
		} else if c.want == 415 && got.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s: what is taken is not said: %v", c.coding, got.Header)
		}
	}
}

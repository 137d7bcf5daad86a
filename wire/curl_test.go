package wire

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCurl: files, ranges, conditions, compression and uploads with a client that is
// not of this language.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	dir := t.TempDir()
	text := bytes.Repeat([]byte("0123456789\n"), 2000)
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "a.txt"), changed, changed); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	compress, err := Compress(CompressConfig{})
	if err != nil {
		t.Fatal(err)
	}
	files := compress(FileServer(root.FS(), FileOptions{}))
	addr, _ := serveCases(t, func(c *Config) {
		c.Handler = Decompress()(func(w *Response, r *Request) error {
			switch r.Path() {
			case "/form":
				f, err := r.Form(FormLimits{TempDir: dir})
				if err != nil {
					return err
				}
				return w.Send(200, "text/plain", []byte(f.Get("title")+" "+f.File("f").Name+" "+f.File("f").Type))
			case "/echo":
				b, err := r.BorrowBody(0)
				if err != nil {
					return err
				}
				return w.Send(200, "application/octet-stream", b)
			}
			return files(w, r)
		})
	})
	part := filepath.Join(t.TempDir(), "part.txt")
	if err := os.WriteFile(part, text[:5000], 0o644); err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(t.TempDir(), "packed")
	if err := os.WriteFile(packed, gzipOf(t, text), 0o644); err != nil {
		t.Fatal(err)
	}
	const code = "%{http_code} %{size_download}"
	for _, c := range []struct {
		what string
		args []string
		want string
	}{
		{"whole", []string{"/a.txt"}, string(text)},
		{"compressed", []string{"--compressed", "/a.txt"}, string(text)},
		{"one range", []string{"-r", "3-5", "/a.txt"}, "345"},
		{"suffix", []string{"-r", "-4", "/a.txt"}, "789\n"},
		{"resume", []string{"-C", "5000", "-o", part, "-w", code, "/a.txt"}, "206 17000"},
		{"not newer", []string{"-z", "18 May 2020 00:00:00", "-w", code, "/a.txt"}, "304 0"},
		{"newer", []string{"-z", "16 May 2020 00:00:00", "-o", os.DevNull, "-w", code, "/a.txt"}, "200 22000"},
		{"head", []string{"-I", "-o", os.DevNull, "-w", "%{http_code}", "/a.txt"}, "200"},
		{"up", []string{"--path-as-is", "-o", os.DevNull, "-w", "%{http_code}", "/../a.txt"}, "404"},
		{"form", []string{"-F", "title=My title", "-F", "f=@" + packed + ";type=application/gzip;filename=\"x \\\"y\\\".gz\"", "/form"}, `My title x "y".gz application/gzip`},
		{"gzipped body", []string{"-H", "Content-Encoding: gzip", "--data-binary", "@" + packed, "/echo"}, string(text)},
		{"gzipped, chunked body", []string{"-H", "Content-Encoding: gzip", "-H", "Transfer-Encoding: chunked", "--data-binary", "@" + packed, "/echo"}, string(text)},
	} {
		args := append([]string{"-sS", "--max-time", "20"}, c.args...)
		args[len(args)-1] = "http://" + addr + args[len(args)-1]
		out, err := exec.Command(curl, args...).CombinedOutput()
		got := string(out)
		if err != nil || got != c.want && strings.ReplaceAll(got, "%22", `"`) != c.want { // newer ones percent-encode quotes
			t.Errorf("%s: %.200q, %v; want %.200q", c.what, got, err, c.want)
		}
	}
	if b, err := os.ReadFile(part); err != nil || !bytes.Equal(b, text) {
		t.Errorf("resumed: %d bytes, %v", len(b), err)
	}
}

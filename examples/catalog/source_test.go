package main

import (
	"io"
	"iter"
	"reflect"
	"strings"
	"testing"
)

func readAll(items iter.Seq2[Item, error]) (list []Item, err error) {
	for it, err := range items {
		if err != nil {
			return list, err
		}
		list = append(list, it)
	}
	return list, nil
}

func readFile(t *testing.T, name string) []Item {
	t.Helper()
	src, err := openSource(name, "")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	list, err := readAll(src.items())
	if err != nil {
		t.Fatal(err)
	}
	if src.read.Load() != src.size {
		t.Errorf("%d of %d bytes counted", src.read.Load(), src.size)
	}
	return list
}

func TestReadDpkg(t *testing.T) {
	got := readFile(t, "testdata/status")
	if len(got) != 3 {
		t.Fatalf("%d items", len(got))
	}
	want := Item{Key: "tinyedit:amd64", Name: "tinyedit", Version: "1.2-3", Section: "editors", Priority: "important", Architecture: "amd64",
		SizeKiB: 120, Summary: "very small text editor", Homepage: "https://tinyedit.example/",
		Description: "It edits text and does nothing else.\n\nFeatures:\n - small\n - quick"}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

func TestReadTables(t *testing.T) {
	got := readFile(t, "testdata/books.csv")
	want := Item{Key: "The Log, and how to read it", Name: "The Log, and how to read it", Section: "systems", Summary: `On order, and "durability"`,
		Extra: map[string]string{"isbn": "978-1", "pages": "320"}}
	if len(got) != 2 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("csv: %+v", got)
	}
	got = readFile(t, "testdata/books.ndjson")
	want = Item{Key: "978-1", Name: "The Log, and how to read it", Section: "systems", Extra: map[string]string{"pages": "320", "tags": `["a","b"]`}}
	if len(got) != 2 || !reflect.DeepEqual(got[0], want) || got[1].SizeKiB != 12 || got[1].Extra != nil {
		t.Errorf("ndjson: %+v", got)
	}
}

func TestReadersNameTheLine(t *testing.T) {
	for _, c := range []struct {
		read func(io.Reader) iter.Seq2[Item, error]
		text string
		want string
	}{
		{readDpkg, "Package: a\nnonsense\n", "line 2"},
		{readDpkg, "Package: a\nArchitecture: all\n\n goes on\n", "line 4"},
		{readDpkg, "Version: 1\n", "without Package"},
		{readDpkg, "Package: a\nInstalled-Size: big\n", "Installed-Size"},
		{readNDJSON, "{\"id\":\"a\"}\n{\"id\":\n", "line 2"},
		{readNDJSON, "{\"pages\":1}\n", "line 1"},
		{readNDJSON, "[1]\n", "line 1"},
		{readCSV, "name,size\na,1\nb,x\n", "line 3"},
		{readCSV, "name,size\na\n", "line 2"},
		{readCSV, "pages\n1\n", "line 2"},
	} {
		_, err := readAll(c.read(strings.NewReader(c.text)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	for _, read := range formats {
		if list, err := readAll(read(strings.NewReader(""))); err != nil || len(list) != 0 {
			t.Errorf("empty: %v, %v", list, err)
		}
	}
}

func TestOpenSource(t *testing.T) {
	if _, err := openSource("testdata/absent", ""); err == nil {
		t.Error("an absent file is opened")
	}
	if _, err := openSource("testdata/status", "xls"); err == nil {
		t.Error("an unknown format is accepted")
	}
}

// FuzzReaders holds every reader to its promise: items have a key and a name, and after
// an error nothing follows.
func FuzzReaders(f *testing.F) {
	for _, s := range []string{"Package: a\nArchitecture: b\n", "name,size\na,1\n", "{\"id\":\"a\",\"x\":[1]}\n", "Package: a\n b\n .\n c\n\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, read := range formats {
			failed := false
			for it, err := range read(strings.NewReader(text)) {
				if failed {
					t.Fatalf("%s goes on after an error", name)
				}
				if failed = err != nil; !failed && (it.Key == "" || it.Name == "") {
					t.Fatalf("%s yields %+v", name, it)
				}
			}
		}
	})
}

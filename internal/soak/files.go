package soak

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lithair/lithair-go/internal/fleet"
	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/wire"
)

const (
	uploaders = 2
	filesEach = 8
	filesPace = 700 * time.Millisecond
)

// uploader keeps files of its own.
type uploader struct {
	*run
	id, ops int
	rng     *rand.Rand
	client  *fleet.Client
	has     map[string][32]byte // SHA-256 of what the record names
}

func (u *uploader) work() {
	for ; u.on(); time.Sleep(filesPace) {
		u.upload()
		for id, sum := range u.has { // any one
			u.read(u.rng.IntN(len(u.f.Nodes)), id, sum, "&level=linearizable")
			break
		}
	}
}

// upload puts a file, and then a record that names it.
func (u *uploader) upload() {
	content := make([]byte, 1+u.rng.IntN(1<<(8+u.rng.IntN(11))))
	for i := range content {
		content[i] = byte(u.rng.Uint32())
	}
	a := u.insist(u.client, u.rng, "upload a file", 201, &wire.ClientRequest{Method: "POST", URL: "/api/_blobs", Body: bytes.NewReader(content), Header: [][2]string{{"Content-Type", "application/octet-stream"}}})
	if a == nil {
		return
	}
	u.ops++
	id := fmt.Sprintf("f%d.%d", u.id, u.rng.IntN(filesEach))
	method, path, want := "POST", "/api/files", 201
	if _, there := u.has[id]; there {
		method, path, want = "PUT", path+"/"+id, 200
	}
	record := append(jsonx.AppendString([]byte(`{"id":`), id), `,"content":`...)
	record = append(append(record, a.Body...), '}')
	q := &wire.ClientRequest{Method: method, URL: path, Body: bytes.NewReader(record), Header: [][2]string{{"Content-Type", "application/json"}, {"Idempotency-Key", fmt.Sprintf("%d.f%d.%d", u.round, u.id, u.ops)}}}
	if u.insist(u.client, u.rng, "name a file", want, q) != nil {
		u.has[id] = sha256.Sum256(content)
	}
}

// read reads a file whole, and says whether it could be.
func (u *uploader) read(node int, id string, want [32]byte, level string) bool {
	a := u.client.Do(&wire.ClientRequest{URL: u.f.Nodes[node].URL + "/api/files/" + id + "/content?" + level})
	if !u.tally.op("read a file", &a) {
		if a.Err == nil && a.Status < 500 && a.Status != 412 {
			u.t.Errorf("file %s at node %d: %d %s", id, node+1, a.Status, a.Body)
		}
		return false
	}
	u.tally.check("file read whole", 1)
	if got := sha256.Sum256(a.Body); got != want {
		u.t.Errorf("file %s of node %d has %d bytes with SHA-256 %x, not %x", id, node+1, len(a.Body), got, want)
	}
	return true
}

// judge reads all files at all nodes.
func (u *uploader) judge() {
	for node := range u.f.Nodes {
		for id, want := range u.has {
			u.f.Await(fmt.Sprintf("file %s is read at node %d", id, node+1), func() bool { return u.read(node, id, want, "") })
		}
	}
}

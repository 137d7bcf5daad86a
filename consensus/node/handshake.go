package node

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/lithair/lithair-go/consensus"
)

// The handshake of a connection between nodes. The side that dialled speaks first:
//
//	hello   magic(8) oldest(1) newest(1) cluster(8) from(8) to(8) stream(12) group(4) nonce(32)
//	answer  magic(8) status(1) version(1) nonce(32) proof(32)
//	finish  proof(32)
//
// Integers are little-endian. stream is the name of a named stream, filled up with zeros, and
// nothing but zeros on the connection that carries the messages of all groups; group is that of a
// named stream; to may be 0, for whoever is there, on a named stream. A proof is HMAC-SHA-256 under the cluster's secret over a word,
// the hello and the answer up to its nonce, so that neither side learns the secret, and an
// old proof is worth nothing. Without a secret proofs are of the empty one: then only the
// network, or mutual TLS below, keeps strangers out.
//
// The answer says which version is spoken: the newest that both sides know. In version 1 there is
// group 0 alone. There the side that was dialled says nothing behind the handshake; since
// version 2 it names, on the connection for messages, groups that it does not have, see refusal.go.
const (
	transportMagic = "LTHRAFT1"
	oldestVersion  = 1
	newestVersion  = 2
	groupsVersion  = 2 // since when there are groups
	streamBytes    = 12
	helloBytes     = 8 + 2 + 8*3 + streamBytes + 4 + 32
	answerBytes    = 8 + 2 + 32
)

// Status of an answer.
const (
	accepted uint8 = iota
	wrongVersion
	wrongCluster
	wrongNode
	wrongStream
	wrongGroup
)

// Errors of a handshake.
var (
	ErrNotANode     = errors.New("node: the other side does not speak this protocol")
	ErrWrongVersion = errors.New("node: the other side speaks no version of the protocol that this one does")
	ErrWrongCluster = errors.New("node: the other side belongs to another cluster")
	ErrWrongNode    = errors.New("node: the other side is another node")
	ErrWrongStream  = errors.New("node: the other side does not serve such streams")
	ErrWrongSecret  = errors.New("node: the other side has another cluster secret")
	ErrUnknownGroup = errors.New("node: the other side has no such group")
)

func prove(secret []byte, word string, hello, answer []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(word))
	h.Write(hello)
	h.Write(answer)
	return h.Sum(nil)
}

func nonce(b []byte) []byte {
	var n [32]byte
	_, _ = rand.Read(n[:]) // never fails: crypto/rand ends the program instead
	return append(b, n[:]...)
}

// streamKey is which streams are meant: a name, and the group that they belong to. No name: the
// messages of all groups.
type streamKey struct {
	name  string
	group uint32
}

// greet is the handshake of the side that dialled; it returns the version that is spoken.
func (t *TCP) greet(c net.Conn, to consensus.NodeID, stream streamKey) (version uint8, err error) {
	hello := append([]byte(transportMagic), oldestVersion, t.newest)
	for _, v := range [...]uint64{t.cfg.Cluster, uint64(t.cfg.ID), uint64(to)} {
		hello = order.AppendUint64(hello, v)
	}
	var name [streamBytes]byte
	copy(name[:], stream.name)
	hello = nonce(order.AppendUint32(append(hello, name[:]...), stream.group))
	if _, err := c.Write(hello); err != nil {
		return 0, err
	}
	answer := make([]byte, answerBytes+sha256.Size)
	if _, err := io.ReadFull(c, answer[:answerBytes]); err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // TLS 1.3: the server looks at it behind our handshake
			return 0, fmt.Errorf("node: the other side does not take this node's certificate: %w", err)
		}
		return 0, fmt.Errorf("%w: %w", ErrNotANode, err)
	}
	if version, err = t.accepted(answer); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c, answer[answerBytes:]); err != nil {
		return 0, err
	}
	if !hmac.Equal(answer[answerBytes:], prove(t.cfg.Secret, "answer", hello, answer[:answerBytes])) {
		return 0, ErrWrongSecret
	}
	_, err = c.Write(prove(t.cfg.Secret, "finish", hello, answer[:answerBytes]))
	return version, err
}

// accepted reads an answer up to its nonce.
func (t *TCP) accepted(answer []byte) (version uint8, err error) {
	if string(answer[:8]) != transportMagic {
		return 0, ErrNotANode
	}
	switch answer[8] {
	case accepted:
	case wrongVersion:
		return 0, ErrWrongVersion
	case wrongCluster:
		return 0, ErrWrongCluster
	case wrongStream:
		return 0, ErrWrongStream
	case wrongGroup:
		return 0, ErrUnknownGroup
	default:
		return 0, ErrWrongNode
	}
	if version = answer[9]; version < oldestVersion || version > t.newest {
		return 0, ErrWrongVersion
	}
	return version, nil
}

// welcome is the handshake of the side that was dialled; it returns who did, what for, and the
// version that is spoken.
func (t *TCP) welcome(c net.Conn) (from consensus.NodeID, stream streamKey, version uint8, err error) {
	hello := make([]byte, helloBytes)
	if _, err := io.ReadFull(c, hello); err != nil {
		return 0, stream, 0, err
	}
	if string(hello[:8]) != transportMagic {
		return 0, stream, 0, ErrNotANode
	}
	oldest, to := hello[8], consensus.NodeID(order.Uint64(hello[26:]))
	version, from = min(hello[9], t.newest), consensus.NodeID(order.Uint64(hello[18:]))
	stream.name, stream.group = strings.TrimRight(string(hello[34:34+streamBytes]), "\x00"), order.Uint32(hello[34+streamBytes:])
	status := accepted
	switch {
	case oldest > t.newest || version < oldestVersion:
		status, version, err = wrongVersion, t.newest, ErrWrongVersion
	case order.Uint64(hello[10:]) != t.cfg.Cluster:
		status, err = wrongCluster, ErrWrongCluster
	case to != t.cfg.ID && (to != 0 || stream.name == "") || from == 0 || from == t.cfg.ID:
		status, err = wrongNode, ErrWrongNode
	case stream.group != 0 && t.group(uint64(stream.group)) == nil:
		status, err = wrongGroup, fmt.Errorf("%w: group %d, on a stream", errNoGroup, stream.group)
	case stream.name != "" && stream.name != chunkStream && t.listener(stream) == nil:
		status, err = wrongStream, ErrWrongStream
	}
	answer := nonce(append([]byte(transportMagic), status, version))
	reply := answer
	if err == nil {
		reply = append(answer[:answerBytes:answerBytes], prove(t.cfg.Secret, "answer", hello, answer)...)
	}
	if _, werr := c.Write(reply); err != nil || werr != nil {
		return from, stream, 0, errors.Join(err, werr)
	}
	finish := make([]byte, sha256.Size)
	if _, err := io.ReadFull(c, finish); err != nil {
		return from, stream, 0, fmt.Errorf("%w: it went away on our proof: %w", ErrWrongSecret, err)
	}
	if !hmac.Equal(finish, prove(t.cfg.Secret, "finish", hello, answer)) {
		return from, stream, 0, ErrWrongSecret
	}
	return from, stream, version, nil
}

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
//	hello   magic(8) oldest(1) newest(1) cluster(8) from(8) to(8) stream(16) nonce(32)
//	answer  magic(8) status(1) version(1) nonce(32) proof(32)
//	finish  proof(32)
//
// Integers are little-endian. stream is the name of a named stream, filled up with zeros, and
// nothing but zeros on the connection that carries Raft's messages; to may be 0, for whoever
// is there, on a named stream. A proof is HMAC-SHA-256 under the cluster's secret over a word,
// the hello and the answer up to its nonce, so that neither side learns the secret, and an
// old proof is worth nothing. Without a secret proofs are of the empty one: then only the
// network, or mutual TLS below, keeps strangers out.
const (
	transportMagic   = "LTHRAFT1"
	transportVersion = 1 // newest spoken, and the oldest
	streamBytes      = 16
	helloBytes       = 8 + 2 + 8*3 + streamBytes + 32
	answerBytes      = 8 + 2 + 32
)

// Status of an answer.
const (
	accepted uint8 = iota
	wrongVersion
	wrongCluster
	wrongNode
	wrongStream
)

// Errors of a handshake.
var (
	ErrNotANode     = errors.New("node: the other side does not speak this protocol")
	ErrWrongVersion = errors.New("node: the other side speaks no version of the protocol that this one does")
	ErrWrongCluster = errors.New("node: the other side belongs to another cluster")
	ErrWrongNode    = errors.New("node: the other side is another node")
	ErrWrongStream  = errors.New("node: the other side does not serve such streams")
	ErrWrongSecret  = errors.New("node: the other side has another cluster secret")
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

// greet is the handshake of the side that dialled; stream is "" for Raft's messages.
func (t *TCP) greet(c net.Conn, to consensus.NodeID, stream string) error {
	hello := append([]byte(transportMagic), transportVersion, transportVersion)
	for _, v := range [...]uint64{t.cfg.Cluster, uint64(t.cfg.ID), uint64(to)} {
		hello = order.AppendUint64(hello, v)
	}
	var name [streamBytes]byte
	copy(name[:], stream)
	hello = nonce(append(hello, name[:]...))
	if _, err := c.Write(hello); err != nil {
		return err
	}
	answer := make([]byte, answerBytes+sha256.Size)
	if _, err := io.ReadFull(c, answer[:answerBytes]); err != nil {
		return fmt.Errorf("%w: %w", ErrNotANode, err)
	}
	switch status := answer[8]; {
	case string(answer[:8]) != transportMagic:
		return ErrNotANode
	case status == wrongVersion:
		return ErrWrongVersion
	case status == wrongCluster:
		return ErrWrongCluster
	case status == wrongStream:
		return ErrWrongStream
	case status != accepted:
		return ErrWrongNode
	case answer[9] != transportVersion:
		return ErrWrongVersion
	}
	if _, err := io.ReadFull(c, answer[answerBytes:]); err != nil {
		return err
	}
	if !hmac.Equal(answer[answerBytes:], prove(t.cfg.Secret, "answer", hello, answer[:answerBytes])) {
		return ErrWrongSecret
	}
	_, err := c.Write(prove(t.cfg.Secret, "finish", hello, answer[:answerBytes]))
	return err
}

// welcome is the handshake of the side that was dialled; it returns who did, and what for.
func (t *TCP) welcome(c net.Conn) (from consensus.NodeID, stream string, err error) {
	hello := make([]byte, helloBytes)
	if _, err := io.ReadFull(c, hello); err != nil {
		return 0, "", err
	}
	if string(hello[:8]) != transportMagic {
		return 0, "", ErrNotANode
	}
	from, stream = consensus.NodeID(order.Uint64(hello[18:])), strings.TrimRight(string(hello[34:34+streamBytes]), "\x00")
	to := consensus.NodeID(order.Uint64(hello[26:]))
	status := accepted
	switch {
	case hello[8] > transportVersion || hello[9] < transportVersion:
		status, err = wrongVersion, ErrWrongVersion
	case order.Uint64(hello[10:]) != t.cfg.Cluster:
		status, err = wrongCluster, ErrWrongCluster
	case to != t.cfg.ID && (to != 0 || stream == "") || from == 0 || from == t.cfg.ID:
		status, err = wrongNode, ErrWrongNode
	case stream != "" && stream != chunkStream && t.listener(stream) == nil:
		status, err = wrongStream, ErrWrongStream
	}
	answer := nonce(append([]byte(transportMagic), status, transportVersion))
	reply := answer
	if err == nil {
		reply = append(answer[:answerBytes:answerBytes], prove(t.cfg.Secret, "answer", hello, answer)...)
	}
	if _, werr := c.Write(reply); err != nil || werr != nil {
		return from, "", errors.Join(err, werr)
	}
	finish := make([]byte, sha256.Size)
	if _, err := io.ReadFull(c, finish); err != nil {
		return from, "", fmt.Errorf("%w: it went away on our proof: %w", ErrWrongSecret, err)
	}
	if !hmac.Equal(finish, prove(t.cfg.Secret, "finish", hello, answer)) {
		return from, "", ErrWrongSecret
	}
	return from, stream, nil
}

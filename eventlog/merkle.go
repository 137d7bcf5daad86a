package eventlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
)

// Every RangeSize records, by index, have a Merkle root: range n holds the records from
// n*RangeSize+1 to (n+1)*RangeSize. It depends on the records alone, not on segments, so
// it is the same on every node, and a record is shown to be in it by proofDepth digests.
//
// The tree is that of RFC 9162 §2.1.1: a leaf is SHA-256(0 | what the chain binds of the
// record), a node SHA-256(1 | left | right).

// RangeSize is how many records have a Merkle root in common.
const RangeSize = 1 << proofDepth

const proofDepth = 12

// leaf is the leaf of a record whose head is encoded and whose payload's digest is given.
func leaf(head []byte, payload *Sum) Sum {
	var b [1 + recordHead - 8 + chainSize]byte
	copy(b[1:], head)
	copy(b[1+recordHead-8:], payload[:])
	return sha256.Sum256(b[:])
}

// leafOf is the leaf of a record.
func leafOf(r *Record) Sum {
	var head [recordHead - 8]byte
	r.putHead(head[:], r.Index)
	payload := r.digest()
	return leaf(head[:], &payload)
}

func node(left, right *Sum) Sum {
	var b [1 + 2*chainSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+chainSize:], right[:])
	return sha256.Sum256(b[:])
}

// fold computes the root over the leaves, a power of two of them, in their memory. path,
// if not nil, takes the siblings on the way from leaf number at to the root.
func fold(leaves []Sum, at int, path []Sum) Sum {
	for level := 0; len(leaves) > 1; level++ {
		if path != nil {
			path[level] = leaves[at^1]
			at >>= 1
		}
		for i := 0; i < len(leaves); i += 2 {
			leaves[i/2] = node(&leaves[i], &leaves[i+1])
		}
		leaves = leaves[:len(leaves)/2]
	}
	return leaves[0]
}

// RangeOf returns the number of the range that holds an index, which is 1 or more.
func RangeOf(index uint64) uint64 { return (index - 1) / RangeSize }

// rangeEnd is the last index of a range.
func rangeEnd(n uint64) uint64 { return (n + 1) * RangeSize }

// Proof shows that a record is in the range with a root.
type Proof struct {
	Index uint64          // of the record
	Path  [proofDepth]Sum // the digests beside the way from its leaf to the root
}

// Errors of proofs.
var (
	// ErrProof: a proof does not lead from the record to the root.
	ErrProof = errors.New("eventlog: the record is not what the root was computed from")
	// ErrIncomplete: the range has no root yet, as records of it are still to come.
	ErrIncomplete = errors.New("eventlog: the range of records is not complete")
)

// VerifyProof checks that r is the record at p.Index in the range with a root. It needs
// no log; where the root comes from is what the caller trusts.
//
// Errors: [ErrProof].
func VerifyProof(root Sum, r Record, p Proof) error {
	if r.Index == 0 || r.Index != p.Index {
		return fmt.Errorf("%w: the proof is of record %d, not %d", ErrProof, p.Index, r.Index)
	}
	sum, at := leafOf(&r), (r.Index-1)%RangeSize
	for i := range p.Path {
		if at>>i&1 == 0 {
			sum = node(&sum, &p.Path[i])
		} else {
			sum = node(&p.Path[i], &sum)
		}
	}
	if sum != root {
		return ErrProof
	}
	return nil
}

// proofSize is the length of an encoded proof.
const proofSize = 8 + proofDepth*chainSize

// Append appends the proof as 392 bytes: the index, 8 bytes little-endian, and the path
// from the leaf upwards.
func (p Proof) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, p.Index)
	for i := range p.Path {
		dst = append(dst, p.Path[i][:]...)
	}
	return dst
}

// ParseProof reads what Append wrote.
func ParseProof(b []byte) (p Proof, err error) {
	if len(b) != proofSize {
		return p, fmt.Errorf("eventlog: a proof has %d bytes, not %d", proofSize, len(b))
	}
	p.Index = le.Uint64(b)
	for i := range p.Path {
		copy(p.Path[i][:], b[8+i*chainSize:])
	}
	return p, nil
}

// A range's size is a power of two, which fold relies on.
var _ = [1]struct{}{}[bits.OnesCount(RangeSize)-1]

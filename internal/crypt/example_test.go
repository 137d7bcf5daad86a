package crypt_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/lithair/lithair-go/internal/crypt"
)

// A file is sealed, the key is changed, and both the old file and a new one can be read.
func Example() {
	keys, err := crypt.ParseRing("1:" + text(1))
	if err != nil {
		log.Fatal(err)
	}
	s, err := crypt.NewSealer(keys, "example", nil)
	if err != nil {
		log.Fatal(err)
	}
	block, err := s.Seal(nil, []byte("what nobody else should read"), []byte("block 0, the last"))
	if err != nil {
		log.Fatal(err)
	}

	rotated, err := crypt.ParseRing("1:" + text(1) + ", 2:" + text(2))
	if err != nil {
		log.Fatal(err)
	}
	o, err := crypt.NewOpener(rotated, "example", s.Header())
	if err != nil {
		log.Fatal(err)
	}
	plain, err := o.Open(nil, block, []byte("block 0, the last"))
	fmt.Println(string(plain), err)
	_, err = o.Open(nil, block, []byte("block 1"))
	fmt.Println(errors.Is(err, crypt.ErrDamaged))
	newer, err := crypt.NewSealer(rotated, "example", nil)
	fmt.Println(newer.Header().KeyID, err)
	// Output:
	// what nobody else should read <nil>
	// true
	// 2 <nil>
}

// Package subject keeps the keys that sealed fields are stored under, one for each person
// or whoever else records are about, so that erasing a key erases all that is sealed with
// it, wherever that stands.
//
//	s, err := subject.Open(subject.Config{Dir: "data/subjects"})
//	s.Settle(used)             // ids that the state names: the others are free
//	id, key, err := s.Take()   // a key that nothing is sealed with, durable already
//	key, ok := s.Key(id)
//	err = s.Forget(id)         // durable: the key is gone
//
// # Layout
//
// Files of up to 256 keys, NUMBER.keys with 8 digits, made whole before the first of their
// keys is given out:
//
//	0  magic "LITHKEY", version 1   8 bytes
//	8  for each key: id 16, key 32
//	   CRC-32C of all before        4
//
// With Config.Keys a file is sealed (see internal/crypt). Forget writes the file anew, with
// zeros in place of the key, and syncs it: so a key that was destroyed is told from one that
// was never there. What the medium keeps of a file that was replaced is out of
// reach: with Config.Keys it is sealed.
//
// # Which keys are free
//
// Whose key is whose is not here but in the state, and so in the log. A key that no subject
// has is free; one that was given out for a transaction that was not committed is free
// again at the next start.
//
// # Concurrency
//
// A Store is safe for concurrent use.
package subject

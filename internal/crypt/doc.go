// Package crypt seals what is stored: AES-256-GCM, under keys that a [KeyProvider] knows.
//
//	s, err := crypt.NewSealer(keys, "lithair/snapshot", nil) // one for each file that is begun
//	file = append(file, s.Header().Append(nil)...)           // in the clear, 52 bytes
//	file, err = s.Seal(file, block, place)                   // any number of blocks
//
//	h, err := crypt.ParseHeader(file[:crypt.HeaderSize])
//	o, err := crypt.NewOpener(keys, "lithair/snapshot", h)
//	block, err = o.Open(nil, sealed, place)
//
// # A nonce is never used twice
//
// Two blocks under one key and nonce give away both, and let anybody forge more. So no
// block is sealed with a provider's key itself: each file has a key of its own, derived by
// HKDF-SHA-256 (RFC 5869) from the provider's key and 32 random bytes that stand in the
// file's header. Within a file the nonce is a counter that a [Sealer] keeps, and that
// stands before each block. A Sealer begins with a new salt and never comes back: a file
// that was closed, or whose writer ended in a crash, can be opened, but nothing can be
// sealed for it again, since nobody knows which counters were used for bytes that a
// truncation or a power failure took away. Whoever wants to go on begins another file.
//
// # What is bound
//
// Whatever is handed over as place is authenticated with a block and not stored. A block
// that is moved, repeated or taken from another file does not open when the place names
// where it stands (and, for the last one, that it is the last: a file cut short is not
// noticed otherwise). The purpose keeps files of different kinds apart.
//
// # Keys
//
// A key has a number, from 1, which stands in each file's header. New files take the
// provider's current key; the others stay readable as long as the provider knows theirs.
// So a key is changed by adding one, while everything runs. A wrong key is told from a
// damaged block: the header has a check value that is derived like the file's key.
//
// # Concurrency
//
// A Sealer and an Opener are safe for concurrent use, and so are all providers here.
package crypt

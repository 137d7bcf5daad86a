// Package crashtest holds the survival test: a server on the framework is killed with
// SIGKILL at random moments while clients write to it over several connections, and is
// started again on what the disk holds.
//
//	go test ./internal/crashtest                              # a few rounds
//	go test ./internal/crashtest -v -rounds 200               # the full test
//	go test ./internal/crashtest -v -rounds 200 -seed 42      # the same choices again
//
// After each restart it checks that
//
//   - every write that was acknowledged is there, with the acknowledged content;
//   - a write that was under way is there whole or not at all: a transfer between
//     accounts has both its entries or none, and the sum of all balances is constant;
//   - unique values belong to one record, foreign keys point at records that exist, and
//     every index agrees with the records;
//   - a command that was retried with its idempotency key took effect once.
//
// Killing a process tests what the program does; it does not lose what the kernel
// holds. Power failures, torn and reordered writes are the business of the simulated
// disk in internal/disk, under the tests of eventlog and engine.
package crashtest

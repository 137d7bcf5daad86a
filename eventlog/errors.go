package eventlog

import (
	"errors"
	"fmt"
)

// Errors of appends.
var (
	// ErrPoisoned: a write or sync failed, and nobody knows what is durable. The log
	// takes nothing more; open it again to find out.
	ErrPoisoned = errors.New("eventlog: a write failed, the log takes nothing more until it is opened again")
	// ErrFull: there is no room. Nothing of the append is in the log, and the log goes
	// on when there is room.
	ErrFull = errors.New("eventlog: no space left on the disk")
	// ErrNoKey: a segment was to be begun, and the key provider gave no key. Nothing of
	// the append is in the log, and the log goes on when there is a key.
	ErrNoKey = errors.New("eventlog: no key for a new segment")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("eventlog: closed")
	// ErrOrder: the index of a record does not follow the one before.
	ErrOrder = errors.New("eventlog: the index does not continue the log")
	// ErrReadOnly: the log was opened by OpenReadOnly.
	ErrReadOnly = errors.New("eventlog: opened for reading only")
	// ErrTooLarge: a record is over Config.MaxRecordBytes.
	ErrTooLarge = errors.New("eventlog: the record is too large")
)

// ErrNoChain: the log has no chain and no Merkle roots, see Config.NoChain.
var ErrNoChain = errors.New("eventlog: the log has no chain")

// chainError refuses a log that was begun otherwise than Config.NoChain says.
func chainError(loose bool) error {
	if loose {
		return fmt.Errorf("%w: it was begun without, and stays so; set Config.NoChain, or copy its records into a new log", ErrNoChain)
	}
	return errors.New("the log has a chain, and Config.NoChain is set: a log stays as it was begun")
}

// Errors of reads.
var (
	// ErrCompacted: the records asked for were removed by TruncateBefore.
	ErrCompacted = errors.New("eventlog: compacted away")
	// ErrOutOfRange: the index is beyond the end of the log.
	ErrOutOfRange = errors.New("eventlog: beyond the end of the log")
)

// CorruptError says that acknowledged bytes are damaged. The log does not open: nothing
// is dropped or guessed.
type CorruptError struct {
	Segment string // file
	Offset  int64  // in the file, of the frame at fault
	Index   uint64 // of the first record that cannot be trusted; 0 when unknown
	Reason  string
}

// advice is what to do about damage; the one place where it is worded.
const advice = "Nothing was changed. Restore the directory from a backup or another node, and keep a copy of the damaged one; " +
	"\"lithair log verify DIR\" (eventlog.Verify) reads a whole log and says whether it is sound, \"lithair log repair DIR\" what could be kept"

// Error says where the damage is and what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("eventlog: %s is damaged at offset %d (log index %d): %s. %s", e.Segment, e.Offset, e.Index, e.Reason, advice)
}

package backup

import (
	"errors"
	"fmt"
)

// Errors of Restore.
var (
	// ErrNotEmpty: the directory holds data, and Options.Replace is not set.
	ErrNotEmpty = errors.New("backup: the directory holds data already")
	// ErrInterrupted: the directory is in the middle of a restore that was cut off; see
	// Finish.
	ErrInterrupted = errors.New("backup: a restore of this directory was cut off; start the application, or restore again, to finish it")
)

// DamageError says that a file is no backup, or not a whole one.
type DamageError struct {
	Offset int64 // of the header or block at fault, in bytes
	Reason string
}

// Error names the offset.
func (e *DamageError) Error() string {
	return fmt.Sprintf("backup: the file is damaged at offset %d: %s", e.Offset, e.Reason)
}

// RangeError says that the backup does not hold the place asked for.
type RangeError struct {
	Oldest, Newest uint64 // the sequences it holds
}

// Error names what there is.
func (e *RangeError) Error() string {
	return fmt.Sprintf("backup: that is not in it; it goes from sequence %d to %d", e.Oldest, e.Newest)
}

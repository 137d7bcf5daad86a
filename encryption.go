package lithair

import (
	"fmt"

	"github.com/lithair/lithair-go/eventlog"
	"github.com/lithair/lithair-go/internal/crypt"
)

// keys returns where the keys of data at rest come from; nil when it is not encrypted.
func (c *Config) keys() eventlog.KeyProvider {
	switch {
	case c.EncryptionKeyFile != "":
		return crypt.File(c.EncryptionKeyFile)
	case c.EncryptionKey != nil:
		return crypt.Callback{CurrentFunc: func() (uint32, crypt.Key, error) {
			n, key, err := c.EncryptionKey(0)
			return n, key, err
		}, KeyFunc: func(number uint32) (crypt.Key, error) {
			_, key, err := c.EncryptionKey(number)
			return key, err
		}}
	case c.envKeys:
		return crypt.Env(keysVariable)
	}
	return nil
}

// openKeys finds the keys, and tries them, so that a mistake shows before anything is
// opened.
func (a *App) openKeys() error {
	a.keys = a.cfg.keys()
	if a.keys == nil {
		return nil
	}
	if _, _, err := a.keys.Current(); err != nil {
		return fmt.Errorf("encryption-key-file: %w", err)
	}
	return nil
}

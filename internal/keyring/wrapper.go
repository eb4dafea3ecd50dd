package keyring

import "context"

// Wrapped is a data key under a key that its provider never hands out.
type Wrapped struct {
	KeyID      string // which key, in the provider's words; what Unwrap asks for
	Ciphertext []byte
}

// Wrapper wraps data keys under a key-encryption key. It is asked when keys are
// opened or made, never for a single value. Implementations are safe for
// concurrent use.
//
// The binding is authenticated with the key where the provider can do that:
// Unwrap needs the one that Wrap was given. Unwrap returns ErrNotOpened for a
// ciphertext that is damaged or belongs to another key or binding; any other
// error may go away when it is asked again.
type Wrapper interface {
	Wrap(ctx context.Context, dataKey []byte, binding map[string]string) (Wrapped, error)
	Unwrap(ctx context.Context, wrapped Wrapped, binding map[string]string) ([]byte, error)
}

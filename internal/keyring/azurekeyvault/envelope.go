package azurekeyvault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/fluxbase/fluxbase/internal/keyring"
)

// Layout of a ciphertext: format byte, algorithm byte, length of the wrapped
// intermediate key (2 bytes, big endian), that key, and the data key sealed under it
// (nonce, ciphertext, tag). All before the seal is authenticated with the binding.
const (
	format     = 1
	headerSize = 1 + 1 + 2
	maxWrapped = 1 << 12 // bytes; a 4096-bit RSA key makes 512
)

// How the intermediate key is wrapped, as the algorithm byte says.
const (
	rsaOAEP256 byte = 1
	a256KW     byte = 2
)

var algorithms = map[byte]azkeys.EncryptionAlgorithm{
	rsaOAEP256: azkeys.EncryptionAlgorithmRSAOAEP256,
	a256KW:     azkeys.EncryptionAlgorithmA256KW,
}

// envelope is what is before the seal.
type envelope struct {
	algorithm byte
	wrapped   []byte
}

func (e envelope) header() []byte {
	header := binary.BigEndian.AppendUint16([]byte{format, e.algorithm}, uint16(len(e.wrapped))) //nolint:gosec // at most maxWrapped
	return append(header, e.wrapped...)
}

func (e envelope) associated(binding map[string]string) []byte {
	return append(e.header(), keyring.EncodeBinding(binding)...)
}

func (e envelope) seal(intermediate, dataKey []byte, binding map[string]string) []byte {
	return gcm(intermediate).Seal(e.header(), nil, dataKey, e.associated(binding)) //nolint:gosec // a nil nonce asks this AEAD for a random one
}

// split takes a ciphertext apart and opens nothing.
func split(ciphertext []byte) (e envelope, sealed []byte, ok bool) {
	if len(ciphertext) < headerSize || ciphertext[0] != format {
		return envelope{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(ciphertext[2:]))
	if algorithms[ciphertext[1]] == "" || n == 0 || n > maxWrapped || len(ciphertext) < headerSize+n {
		return envelope{}, nil, false
	}
	return envelope{ciphertext[1], bytes.Clone(ciphertext[headerSize : headerSize+n])}, ciphertext[headerSize+n:], true
}

func (e envelope) open(intermediate, sealed []byte, binding map[string]string) ([]byte, error) {
	dataKey, err := gcm(intermediate).Open(nil, nil, sealed, e.associated(binding))
	if err != nil {
		return nil, keyring.ErrNotOpened
	}
	return dataKey, nil
}

// gcm panics for a key that is not of keyring.KeySize bytes.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

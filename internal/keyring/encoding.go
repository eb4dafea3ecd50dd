package keyring

import (
	"encoding/binary"
	"maps"
	"slices"
)

// EncodeBinding is the binding of a wrapped key as bytes, for providers that
// authenticate bytes: the number of pairs, then each name and value behind its
// length, sorted by name. No two bindings have the same, and it never changes.
func EncodeBinding(binding map[string]string) []byte {
	data := binary.BigEndian.AppendUint32([]byte{format}, uint32(len(binding))) //nolint:gosec // far below 4 billion pairs
	for _, name := range slices.Sorted(maps.Keys(binding)) {
		for _, part := range []string{name, binding[name]} {
			data = binary.BigEndian.AppendUint32(data, uint32(len(part))) //nolint:gosec // far below 4 GiB
			data = append(data, part...)
		}
	}
	return data
}

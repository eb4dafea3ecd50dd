package encryption

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

// Place is the table of wrapped keys, for messages.
const Place = "auth.encryption_keys"

// proves says whether a key that the database does not know yet opens the
// values of its version, if there are any.
func proves(ctx context.Context, q postgres.Querier, c Configured) (bool, error) {
	ring, err := keyring.New(c.Version, map[uint32][]byte{c.Version: c.Key})
	if err != nil {
		return false, err
	}
	return sealed.Proves(ctx, q, ring, c.Version)
}

func (l *load) wrongKey(ctx context.Context, q postgres.Querier, c Configured) error {
	needed, err := l.needed(ctx, q, c.Version)
	if err != nil {
		return err
	}
	return fmt.Errorf("key version %d (%s) is not the key that this database knows as version %d, and %s; nothing has been changed",
		c.Version, c.Place, c.Version, needed)
}

// complete refuses to go on without a key that is needed.
func (l *load) complete(ctx context.Context, q postgres.Querier) error {
	if !l.opening {
		return nil
	}
	versions, err := sealed.Versions(ctx, q)
	if err != nil {
		return err
	}
	for _, k := range l.keys {
		if k.State == Activated && !slices.Contains(versions, k.Version) {
			versions = append(versions, k.Version)
		}
	}
	held := l.versions()
	var missing []string
	for _, v := range versions {
		if slices.Contains(held, v) {
			continue
		}
		needed, err := l.needed(ctx, q, v)
		if err != nil {
			return err
		}
		missing = append(missing, fmt.Sprintf("key version %d is missing, and %s%s", v, needed, l.way(v)))
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s", strings.Join(missing, "; "))
	}
	for version, err := range l.closed {
		l.Logger.WarnContext(ctx, "an encryption key that nothing needs does not unwrap", slog.Uint64("key_version", uint64(version)), slog.Any("error", err))
	}
	return nil
}

// needed says in words what is sealed under a version.
func (l *load) needed(ctx context.Context, q postgres.Querier, version uint32) (string, error) {
	counts, err := sealed.Counts(ctx, q, version)
	if err != nil {
		return "", err
	}
	total := int64(0)
	for _, c := range counts {
		total += c.Count
	}
	words := fmt.Sprintf("%d sealed values need it", total)
	if total == 1 {
		words = "1 sealed value needs it"
	}
	if wrapped := wrappedUnder(l.keys, version); len(wrapped) > 0 {
		words += fmt.Sprintf(", and it wraps the generated keys of versions %v", wrapped)
	}
	if k := l.find(version); k != nil && k.State == Activated {
		words += "; it is the active one"
	}
	return words, nil
}

// way says how a missing key can be had.
func (l *load) way(version uint32) string {
	k := l.find(version)
	if k != nil && k.Source == generated {
		if err := l.closed[version]; err != nil {
			return fmt.Sprintf(" (it was generated, and is wrapped by %s under %s: %v)", *k.Provider, *k.WrappingKey, err)
		}
		return " (it was generated, and has been destroyed)"
	}
	if version == 1 {
		return " (give it as secret_key, as FLUXBASE_SECRET_KEY, or in security.encryption.keys)"
	}
	return fmt.Sprintf(" (give it in security.encryption.keys, or as FLUXBASE_SECRET_KEY_%d)", version)
}

// wrappedUnder lists the generated keys that need a configured key.
func wrappedUnder(keys []Key, version uint32) []uint32 {
	var found []uint32
	for _, k := range keys {
		if k.wrapped != nil && *k.Provider == Local && *k.WrappingKey == text(version) {
			found = append(found, k.Version)
		}
	}
	return found
}

// newestOf is the newest key that a provider wraps and that may become active,
// or nil.
func (l *load) newestOf(provider string) *Key {
	var newest *Key
	for i := range l.keys {
		k := &l.keys[i]
		if k.wrapped != nil && *k.Provider == provider && k.State != RolledBack && (newest == nil || k.Version > newest.Version) {
			newest = k
		}
	}
	return newest
}

// errNoVersion is the fault of a new key for which there is no number.
var errNoVersion = fault.Newf(fault.Conflict, "encryption_key_versions_used_up",
	"There is a key of version %d, the largest that there can be, and a new key would have a larger one.", maxVersion)

// maxVersion is the largest version that a column holds.
const maxVersion = 1<<31 - 1

// CheckNext says whether there is a version left for a new key.
func (s *Service) CheckNext(ctx context.Context, q postgres.Querier) error {
	keys, err := selectKeys(ctx, q)
	if err != nil {
		return err
	}
	_, err = s.nextVersion(keys)
	return err
}

// nextVersion is one that neither the database nor the configuration has.
func (s *Service) nextVersion(keys []Key) (uint32, error) {
	next := uint32(1)
	for _, k := range keys {
		next = max(next, k.Version+1)
	}
	for _, c := range s.Configured {
		next = max(next, c.Version+1)
	}
	if next > maxVersion {
		return 0, errNoVersion
	}
	return next, nil
}

// wanted is the version that the configuration would have active; 0 leaves
// things as they are.
func (l *load) wanted() uint32 {
	if l.Active != 0 {
		return l.Active
	}
	if l.Provider != Local {
		if k := l.newestOf(l.Provider); k != nil && !l.wentBack() {
			return k.Version
		}
		return 0
	}
	if l.active() == nil && l.local != nil {
		return l.local.ring.ActiveVersion()
	}
	return 0
}

// wentBack says whether a rollback has led to the active key: what comes after
// it is for the operator to say.
func (l *load) wentBack() bool {
	active := l.active()
	return active != nil && slices.ContainsFunc(l.keys, func(k Key) bool { return k.State == RolledBack && k.Version > active.Version })
}

func (l *load) active() *Key {
	i := slices.IndexFunc(l.keys, func(k Key) bool { return k.State == Activated })
	if i < 0 {
		return nil
	}
	return &l.keys[i]
}

// canPromote says whether the configuration asks for a later version than the
// active one.
func (l *load) canPromote() bool {
	want, active := l.find(l.wanted()), l.active()
	return !l.busy && want != nil && want.State == Standby && (active == nil || want.Version > active.Version)
}

// promote makes the wanted version active once every instance holds its key.
func (l *load) promote(ctx context.Context, q postgres.Querier) error {
	want, active := l.find(l.wanted()), l.active()
	switch {
	case l.Active != 0 && want == nil:
		return fmt.Errorf("active_key_version is %d, and there is no key of that version", l.Active)
	case active == nil && (want == nil || want.State != Standby):
		return errors.New("there is no key that could be active: set secret_key, or security.encryption")
	case l.busy:
		return nil
	case !l.canPromote():
		l.explain(ctx, want, active)
		return nil
	}
	if !l.holds(*want) {
		return nil
	}
	if active == nil {
		return makeActive(ctx, q, want.Version) // nobody can be using another one
	}
	lacking, err := selectLacking(ctx, q, want.Version, l.instance)
	if err != nil {
		return err
	}
	if len(lacking) > 0 {
		l.once(ctx, "an encryption key becomes active when every instance has it",
			slog.Uint64("key_version", uint64(want.Version)), slog.Any("lacking", lacking))
		return nil
	}
	return makeActive(ctx, q, want.Version)
}

// explain warns of a configuration that does not get its way.
func (l *load) explain(ctx context.Context, want, active *Key) {
	switch {
	case l.Active == 0 || active.Version == l.Active:
	case want.State == RolledBack:
		l.once(ctx, "active_key_version names a key that was rolled back; another one is active",
			slog.Uint64("asked_for", uint64(l.Active)), slog.Uint64("active", uint64(active.Version)))
	case active.Source == fromConfiguration:
		l.once(ctx, "active_key_version is behind the active key; to go back use: fluxbase-cli secrets rollback",
			slog.Uint64("asked_for", uint64(l.Active)), slog.Uint64("active", uint64(active.Version)))
	}
}

// once logs a message the first time.
func (s *Service) once(ctx context.Context, message string, attrs ...any) {
	if !s.warned[message] {
		s.warned[message] = true
		s.Logger.WarnContext(ctx, message, attrs...) //nolint:sloglint // the callers' messages are constants
	}
}

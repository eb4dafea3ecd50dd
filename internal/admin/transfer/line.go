package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Limits of a line.
const (
	maxLine       = 256 << 10 // bytes
	maxIdentities = 20
	maxFactors    = 10
	maxName       = 255 // bytes of a provider, a subject, or the name of a factor
	totpPeriod    = 30  // seconds; a clock may be one ahead
)

var errLineTooLong = fault.Newf(fault.Invalid, "line_too_long", "The line is longer than %d bytes.", maxLine)

// reader reads lines of a bounded length.
type reader struct {
	in   *bufio.Reader
	line int // the number of the last one, from 1
}

func newReader(in io.Reader) *reader { return &reader{in: bufio.NewReaderSize(in, maxLine)} }

// next returns the next line that is not blank, errLineTooLong for one that was
// passed over, or io.EOF. The text is good until the next call.
func (r *reader) next() ([]byte, error) {
	for {
		text, err := r.in.ReadSlice('\n')
		if len(text) == 0 && err != nil {
			return nil, ended(err)
		}
		r.line++
		if errors.Is(err, bufio.ErrBufferFull) {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.in.ReadSlice('\n')
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, ended(err)
			}
			return nil, errLineTooLong
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, ended(err)
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return text, nil
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if fault.KindOf(err) == fault.TooSlow {
		return fault.New(fault.TooSlow, "body_too_slow", "The body did not come in time; what was said to be done is done.").Because(err)
	}
	return fault.New(fault.Invalid, "incomplete_body", "The body ended too early; what was said to be done is done.").Because(err)
}

// parse reads an account and checks all that can be checked without the
// database. The address becomes the normalised one.
func (s *Service) parse(text []byte) (Line, error) {
	var l Line
	if err := web.Unmarshal(text, &l); err != nil {
		return l, err
	}
	if l.Email != nil {
		email, err := user.NormalizeEmail(*l.Email)
		if err != nil {
			return l, err
		}
		l.Email = &email
	}
	for _, check := range []func(Line) error{s.checkAccount, checkInstants, checkIdentities, s.checkFactors} {
		if err := check(l); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (s *Service) checkAccount(l Line) error {
	switch {
	case l.ID != nil && l.ID.IsZero():
		return fault.Input("/id", "invalid_id", "It is a UUID, and not the nil one.")
	case l.Email == nil && (l.PasswordDigest != nil || l.EmailVerified != nil && *l.EmailVerified):
		return fault.Input("/email", "email_address_required", "Give the address that this is about.")
	case l.PasswordDigest != nil && s.Desk.Digests.Recognize(*l.PasswordDigest) != nil:
		return fault.Input("/password_digest", "invalid_password_digest", "This is no digest of a password in a form that is known here.")
	}
	for pointer, m := range map[string]user.Metadata{"/user_metadata": l.UserMetadata, "/app_metadata": l.AppMetadata} {
		if _, err := user.Encode(pointer, m); err != nil {
			return err
		}
	}
	return nil
}

// checkInstants keeps to what JSON and PostgreSQL both have.
func checkInstants(l Line) error {
	for pointer, at := range map[string]*time.Time{
		"/created_at": l.CreatedAt, "/last_sign_in_at": l.LastSignInAt, "/banned_until": l.BannedUntil,
	} {
		if at != nil && (at.UTC().Year() < 1970 || at.UTC().After(user.Forever())) {
			return fault.Input(pointer, "invalid_instant", "It is an instant of the years 1970 to 9999.")
		}
	}
	return nil
}

func checkIdentities(l Line) error {
	if len(l.Identities) > maxIdentities {
		return fault.Input("/identities", "invalid_identities", fmt.Sprintf("There are at most %d.", maxIdentities))
	}
	known := map[Identity]bool{}
	for i, in := range l.Identities {
		pointer := fmt.Sprintf("/identities/%d", i)
		switch {
		case !word(in.Provider):
			return fault.Input(pointer+"/provider", "invalid_provider", "It is text of 1 to 255 bytes.")
		case !word(in.Subject):
			return fault.Input(pointer+"/subject", "invalid_subject", "It is text of 1 to 255 bytes.")
		case known[in]:
			return fault.Input(pointer, "duplicate_identity", "The identity is there twice.")
		}
		known[in] = true
	}
	return nil
}

func (s *Service) checkFactors(l Line) error {
	if len(l.Factors) > 0 && s.Factors == nil {
		return fault.Input("/factors", "factors_not_supported", "This server keeps no second factors.")
	}
	if len(l.Factors) > maxFactors {
		return fault.Input("/factors", "invalid_factors", fmt.Sprintf("There are at most %d.", maxFactors))
	}
	for i, f := range l.Factors {
		pointer := fmt.Sprintf("/factors/%d", i)
		switch {
		case f.Type != "totp":
			return fault.Input(pointer+"/type", "invalid_factor_type", "It is totp.")
		case !word(f.Secret):
			return fault.Input(pointer+"/secret", "invalid_factor_secret", "It is a seed in base32.")
		case f.Name != "" && !word(f.Name):
			return fault.Input(pointer+"/name", "invalid_factor_name", "It is text of at most 255 bytes.")
		case f.LastUsedStep < 0 || f.LastUsedStep > s.Now().Unix()/totpPeriod+1:
			return fault.Input(pointer+"/last_used_step", "invalid_last_used_step", "It is the number of a time step that is not in the future.")
		}
	}
	return nil
}

func word(s string) bool { return s != "" && len(s) <= maxName && bytes.IndexByte([]byte(s), 0) < 0 }

// foreign returns the identities of other issuers than this server.
func (l Line) foreign() []Identity {
	var found []Identity
	for _, in := range l.Identities {
		if in.Provider != user.EmailIssuer {
			found = append(found, in)
		}
	}
	return found
}

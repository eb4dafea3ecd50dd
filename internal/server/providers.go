package server

import (
	"context"
	"errors"

	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/keyring"
)

func keyInVault(context.Context, *config.Config, string, string) ([]byte, error) {
	return nil, errors.New("not yet")
}

func openProvider(context.Context, *config.Config, string) (keyring.Wrapper, error) {
	return nil, errors.New("not yet")
}

package password_test

import (
	"testing"

	"github.com/fluxbase/fluxbase/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/config"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// diagnoseData looks at what the data API offers. A function that runs as its
// owner with its caller's search_path can be made to run what the caller put
// there.
func diagnoseData(ctx context.Context, c *config.Config, db *postgres.DB) []telemetry.Finding {
	known := &catalog.Service{DB: db, Schemas: c.Data.Schemas, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	if err := known.Load(ctx); err != nil {
		return []telemetry.Finding{{Severity: telemetry.Problem, Subject: "data API", Detail: err.Error()}}
	}
	loose := known.Snapshot().LooseDefiners()
	if len(loose) == 0 {
		return []telemetry.Finding{{Severity: telemetry.Fine, Subject: "data API", Detail: "No function runs as its owner without a search_path of its own."}}
	}
	return []telemetry.Finding{{
		Severity: telemetry.Warning, Subject: "data API",
		Detail: fmt.Sprintf("Functions run as their owner with the search_path of whoever calls them: %s.", strings.Join(loose, ", ")),
		Fix:    "alter function ... set search_path = '', with qualified names in its body; or make it security invoker.",
	}}
}

package rotation

import (
	"context"
	"net/http"
	"strconv"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/web"
)

// Keys is a list of key versions.
type Keys struct {
	Items []encryption.Key `json:"items"`
}

// Runs is a list of runs.
type Runs struct {
	Items []Run `json:"items"`
}

// ReEncryptInput is the body that starts a re-encryption.
type ReEncryptInput struct {
	FromVersion uint32 `json:"from_version"`
	ToVersion   uint32 `json:"to_version"`
	BatchSize   int    `json:"batch_size,omitempty"`  // 1 to 10000; 100 if absent
	Concurrency int    `json:"concurrency,omitempty"` // 1 to 64; 4 if absent
}

// RollbackInput is the body that starts a rollback.
type RollbackInput struct {
	ToVersion   uint32 `json:"to_version"`
	Reason      string `json:"reason"`
	BatchSize   int    `json:"batch_size,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
}

// Routes returns the routes under /api/v1/admin/keys.
func (s *Service) Routes() []web.Route {
	route := func(method, path, summary string, status int, params ...web.Param) web.Route {
		return web.Route{
			Method: method, Path: "/api/v1/admin/keys" + path, Tag: "Encryption keys", Summary: summary,
			Access: web.Service, Status: status, Params: params,
		}
	}
	version := web.Param{Name: "version", In: "path", Description: "A key version"}
	run := web.Param{Name: "id", In: "path", Description: "The run"}
	return []web.Route{
		web.Typed(route(http.MethodGet, "", "The encryption keys that the database knows", 0), s.listKeys),
		web.Typed(route(http.MethodGet, "/{version}", "What is sealed under a key version", 0, version), s.audit),
		web.Typed(route(http.MethodPost, "/re-encrypt", "Move the values of one key version to the active one", http.StatusAccepted), s.reEncrypt),
		web.Typed(route(http.MethodPost, "/rollback", "Make an earlier key version active and move everything back to it", http.StatusAccepted), s.rollBack),
		web.Typed(route(http.MethodPost, "/rotate", "Make a new key, make it active, and move everything to it", http.StatusAccepted), s.rotate),
		web.Typed(route(http.MethodGet, "/notification-secret", "What notifications are signed with; every read is audited", 0), s.notificationSecret),
		web.Typed(route(http.MethodGet, "/runs", "The latest runs over the sealed values, newest first", 0), s.listRuns),
		web.Typed(route(http.MethodGet, "/runs/{id}", "A run and how far it is", 0, run), s.getRun),
	}
}

func (s *Service) listKeys(ctx context.Context, _ *web.Call, _ web.None) (Keys, error) {
	items, err := s.Keys.Keys(ctx)
	return Keys{items}, err
}

func (s *Service) audit(ctx context.Context, c *web.Call, _ web.None) (Audit, error) {
	n, err := strconv.ParseUint(c.Path("version"), 10, 31)
	if err != nil || n == 0 {
		return Audit{}, fault.New(fault.NotFound, "encryption_key_not_found", "A key version is a number from 1.")
	}
	return s.Audit(ctx, uint32(n))
}

func (s *Service) reEncrypt(ctx context.Context, c *web.Call, in ReEncryptInput) (Run, error) {
	return s.ReEncrypt(ctx, actor(c), in.FromVersion, in.ToVersion, pace(in.BatchSize, in.Concurrency))
}

func (s *Service) rollBack(ctx context.Context, c *web.Call, in RollbackInput) (Run, error) {
	return s.RollBack(ctx, actor(c), in.ToVersion, in.Reason, pace(in.BatchSize, in.Concurrency))
}

func (s *Service) rotate(ctx context.Context, c *web.Call, _ web.None) (Run, error) {
	return s.Rotate(ctx, actor(c))
}

func (s *Service) notificationSecret(ctx context.Context, c *web.Call, _ web.None) (NotificationSecret, error) {
	return s.NotificationSecret(ctx, actor(c))
}

func (s *Service) listRuns(ctx context.Context, _ *web.Call, _ web.None) (Runs, error) {
	items, err := s.List(ctx)
	return Runs{items}, err
}

func (s *Service) getRun(ctx context.Context, c *web.Call, _ web.None) (Run, error) {
	u, err := id.Parse(c.Path("id"))
	if err != nil {
		return Run{}, errNoRun
	}
	return s.Get(ctx, id.Run(u))
}

// pace fills in what a request leaves out.
func pace(batchSize, concurrency int) Pace {
	p := DefaultPace
	if batchSize != 0 {
		p.BatchSize = batchSize
	}
	if concurrency != 0 {
		p.Concurrency = concurrency
	}
	return p
}

func actor(c *web.Call) audit.Actor { return audit.By(c.Principal, c.Address, c.RequestID) }

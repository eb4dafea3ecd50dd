package admin

import (
	"context"
	"net/http"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/web"
)

// factorRoutes are those of the second factors of a user.
func (s *Service) factorRoutes() []web.Route {
	reset := route(http.MethodDelete, "/users/{id}/factors", "Take the second factors from a user who has lost them; sessions end, and the user is told", userParam,
		web.Param{Name: "factor", In: "query", Description: "Only this factor; absent: all, with the recovery codes"})
	reset.OptionalBody = true // without a reason the fault says what is missing
	return []web.Route{
		web.Typed(route(http.MethodGet, "/users/{id}/factors", "The second factors of a user, and whether wrong codes have locked them", userParam),
			ofUser(func(ctx context.Context, _ By, userID id.User, _ web.None) (Factors, error) {
				return s.FactorsOf(ctx, userID)
			})),
		web.Typed(reset, s.resetFactors),
		web.Typed(route(http.MethodPost, "/users/{id}/factors/unlock", "Forget the wrong codes and passwords of a user, who can try again at once", userParam),
			ofUser(func(ctx context.Context, by By, userID id.User, _ web.None) (Factors, error) {
				return s.UnlockFactors(ctx, by, userID)
			})),
	}
}

func (s *Service) resetFactors(ctx context.Context, c *web.Call, in Reset) (Factors, error) {
	q := reader{query: c.Query()}
	var factor *id.Factor
	if known := id.Factor(q.id("factor")); !known.IsZero() {
		factor = &known
	}
	if q.err != nil {
		return Factors{}, q.err
	}
	return ofUser(func(ctx context.Context, by By, userID id.User, in Reset) (Factors, error) {
		return s.ResetFactors(ctx, by, userID, factor, in)
	})(ctx, c, in)
}

package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/session"
	"github.com/fluxbase/fluxbase/internal/user"
	"github.com/fluxbase/fluxbase/internal/web"
)

// ended is how many sessions were ended.
type ended struct {
	Ended int `json:"ended"`
}

var (
	limitParam  = web.Param{Name: "limit", In: "query", Description: "1 to 100; 20 if absent"}
	cursorParam = web.Param{Name: "cursor", In: "query", Description: "next_cursor of the page before, of the same search"}
	userParam   = web.Param{Name: "id", In: "path", Description: "The user"}
	dryRunParam = web.Param{Name: "dry_run", In: "query", Description: "true says what would happen and changes nothing"}
)

func route(method, path, summary string, params ...web.Param) web.Route {
	return web.Route{Method: method, Path: "/api/v1/admin" + path, Tag: "Admin", Summary: summary, Access: web.Service, Params: params}
}

// Routes returns the routes under /api/v1/admin.
func (s *Service) Routes() []web.Route {
	return slices.Concat(s.userRoutes(), s.factorRoutes())
}

func (s *Service) userRoutes() []web.Route {
	create := route(http.MethodPost, "/users", "Make a user")
	invite := route(http.MethodPost, "/users/invite", "Make an unverified user and mail an invitation, or mail it again (200) where nobody has come in yet")
	impersonate := route(http.MethodPost, "/users/{id}/impersonate",
		"Act as a user, for a reason and a while: the session says who acts, and cannot change how the user signs in", userParam)
	create.Status, invite.Status, impersonate.Status = http.StatusCreated, http.StatusCreated, http.StatusCreated
	ban := route(http.MethodPost, "/users/{id}/ban", "Keep a user out, until an instant or for good; sessions end at once", userParam)
	ban.OptionalBody = true
	return []web.Route{
		web.Typed(route(http.MethodGet, "/users", "Users, newest first, or by address if q is given", searchParams()...), s.listUsers),
		web.Typed(create, func(ctx context.Context, c *web.Call, in Account) (user.Document, error) {
			return s.Create(ctx, CallBy(c), in)
		}),
		web.Typed(invite, func(ctx context.Context, c *web.Call, in Invitation) (user.Document, error) {
			doc, again, err := s.Invite(ctx, CallBy(c), in)
			if again {
				c.Status = http.StatusOK
			}
			return doc, err
		}),
		web.Typed(route(http.MethodGet, "/users/{id}", "One user", userParam), ofUser(s.getUser)),
		web.Typed(route(http.MethodPatch, "/users/{id}", "Change a user; what is absent stays as it is", userParam), ofUser(s.Update)),
		web.Typed(route(http.MethodDelete, "/users/{id}", "Delete a user, unless rows that refer to them are in the way", userParam, dryRunParam), s.deleteUser),
		web.Typed(ban, ofUser(s.Ban)),
		web.Typed(route(http.MethodDelete, "/users/{id}/ban", "Lift a ban", userParam),
			ofUser(func(ctx context.Context, by By, userID id.User, _ web.None) (user.Document, error) {
				return s.Unban(ctx, by, userID)
			})),
		web.Typed(impersonate, ofUser(s.Impersonate)),
		web.Typed(route(http.MethodGet, "/users/{id}/sessions", "The sessions of a user", userParam), ofUser(s.listOfUser)),
		web.Typed(route(http.MethodDelete, "/users/{id}/sessions", "End all sessions of a user", userParam),
			ofUser(func(ctx context.Context, by By, userID id.User, _ web.None) (ended, error) {
				n, err := s.EndSessions(ctx, by, userID)
				return ended{n}, err
			})),
		web.Typed(route(http.MethodGet, "/sessions", "Sessions that are not over, newest first",
			web.Param{Name: "user_id", In: "query", Description: "Only those of this user"}, limitParam, cursorParam), s.listSessions),
		web.Typed(route(http.MethodDelete, "/sessions/{id}", "End a session", web.Param{Name: "id", In: "path", Description: "The session"}), s.endSession),
	}
}

// ofUser completes a handler that is about the user in the path.
func ofUser[In, Out any](f func(context.Context, By, id.User, In) (Out, error)) func(context.Context, *web.Call, In) (Out, error) {
	return func(ctx context.Context, c *web.Call, in In) (Out, error) {
		u, err := id.Parse(c.Path("id"))
		if err != nil {
			var none Out
			return none, user.ErrNotFound
		}
		return f(ctx, CallBy(c), id.User(u), in)
	}
}

// CallBy is who makes a request.
func CallBy(c *web.Call) By {
	return By{
		Actor: audit.By(c.Principal, c.Address, c.RequestID),
		From:  session.Origin{Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID},
	}
}

func (s *Service) getUser(ctx context.Context, _ By, userID id.User, _ web.None) (user.Document, error) {
	return s.Users.Get(ctx, userID)
}

func (s *Service) deleteUser(ctx context.Context, c *web.Call, _ web.None) (Removal, error) {
	q := reader{query: c.Query()}
	dryRun := q.truth("dry_run")
	if q.err != nil {
		return Removal{}, q.err
	}
	return ofUser(func(ctx context.Context, by By, userID id.User, _ web.None) (Removal, error) {
		return s.Delete(ctx, by, userID, dryRun != nil && *dryRun)
	})(ctx, c, web.None{})
}

func (s *Service) listOfUser(ctx context.Context, _ By, userID id.User, _ web.None) (session.Page, error) {
	if _, err := s.Users.Get(ctx, userID); err != nil {
		return session.Page{}, err
	}
	sessions, err := s.Sessions.List(ctx, userID, id.Session{})
	return session.Page{Items: sessions}, err
}

func (s *Service) listSessions(ctx context.Context, c *web.Call, _ web.None) (session.OwnedPage, error) {
	q := reader{query: c.Query()}
	userID, limit, cursor := q.id("user_id"), q.number("limit", 20, 100), q.one("cursor")
	if q.err != nil {
		return session.OwnedPage{}, q.err
	}
	return s.Sessions.Search(ctx, id.User(userID), cursor, limit)
}

func (s *Service) endSession(ctx context.Context, c *web.Call, _ web.None) (web.None, error) {
	u, err := id.Parse(c.Path("id"))
	if err != nil {
		return web.None{}, session.ErrNotFound
	}
	return web.None{}, s.EndSession(ctx, CallBy(c), id.Session(u))
}

func searchParams() []web.Param {
	param := func(name string, description ...string) web.Param {
		return web.Param{Name: name, In: "query", Description: strings.Join(description, " ")}
	}
	const containment = "KEY:VALUE is the member KEY with the text VALUE; what begins with a brace is a JSON object, which is contained as PostgreSQL's @> has it: " +
		"each member that it has is there, objects within objects likewise, arrays in any order"
	return slices.Concat([]web.Param{
		param("email", "Only the user with exactly this address; case does not matter"),
		param("q", "Only users whose address begins with this, in the order of the addresses; case does not matter"),
		param("id", "Only the user with this id"),
		param("created_after", "Only users made at this instant (RFC 3339) or later"),
		param("created_before", "Only users made before this instant (RFC 3339)"),
		param("metadata", "Only users whose user_metadata or app_metadata contains this.", containment),
		param("user_metadata", "Only users whose user_metadata contains this, which they write themselves; written as for metadata"),
		param("app_metadata", "Only users whose app_metadata contains this, which administrators write; written as for metadata"),
		param("banned", "true: only users who are banned at the moment; false: only others"),
		param("anonymous", "true: only anonymous users; false: only others"),
	}, []web.Param{limitParam, cursorParam})
}

func (s *Service) listUsers(ctx context.Context, c *web.Call, _ web.None) (user.Page, error) {
	q := reader{query: c.Query()}
	f := user.Filter{
		ID: id.User(q.id("id")), Email: q.email("email"), Prefix: strings.ToLower(q.text("q", 254)),
		CreatedAfter: q.instant("created_after"), CreatedBefore: q.instant("created_before"),
		Metadata: q.containment("metadata"), UserMetadata: q.containment("user_metadata"), AppMetadata: q.containment("app_metadata"),
		Banned: q.truth("banned"), Anonymous: q.truth("anonymous"),
	}
	limit, cursor := q.number("limit", 20, 100), q.one("cursor")
	if q.err != nil {
		return user.Page{}, q.err
	}
	return s.Users.Search(ctx, f, cursor, limit)
}

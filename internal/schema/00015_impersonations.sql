-- +goose Up
-- A key that is revoked may have been in the wrong hands: the sessions that were
-- made with it, in which an operator acts as a user, end with it.
create index sessions_actor on auth.sessions (actor) where actor is not null;

-- +goose StatementBegin
create function auth.end_sessions_of_key() returns trigger language plpgsql
set search_path = '' as $$
begin
  update auth.sessions set ended_at = pg_catalog.now(), end_reason = 'admin' where actor = old.id::text and ended_at is null;
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.end_sessions_of_key() from public;
create trigger api_keys_revoked_sessions after update of revoked_at on auth.api_keys
  for each row when (old.revoked_at is null and new.revoked_at is not null)
  execute function auth.end_sessions_of_key();
create trigger api_keys_deleted_sessions after delete on auth.api_keys
  for each row when (old.revoked_at is null)
  execute function auth.end_sessions_of_key();

-- +goose Up
-- Keys get a life of their own: an end, a successor, a last use, and for keys
-- of users the account that they act as. A key of a user is a credential that
-- lasts, so the table ends it together with what it stands for.
alter table auth.api_keys drop constraint api_keys_kind_check;
alter table auth.api_keys
  add user_id         uuid references auth.users on delete cascade,
  add scopes          text[],
  add allowed_origins text[] not null default '{}',  -- of pages that may send it
  add created_by      uuid,                          -- the service key that made it; NULL for whoever has the database, and for keys of users
  add replaced_by     uuid,                          -- what it was rotated into
  add expires_at      timestamptz,
  add last_used_at    timestamptz,                   -- written some time later, for many keys at once
  add constraint api_keys_kind_check check (kind in ('client', 'service', 'api')),
  add constraint api_keys_user_id_check check ((kind = 'api') = (user_id is not null)),
  add constraint api_keys_scopes_check check ((kind = 'api') = (coalesce(cardinality(scopes), 0) > 0)
    and scopes <@ array['tables:read', 'tables:write', 'rpc:execute', 'realtime', 'functions:invoke']);
create index api_keys_user_id on auth.api_keys (user_id) where user_id is not null;
create index api_keys_kind on auth.api_keys (kind, id) where user_id is null;
-- A last use touches no index; where there is room the row stays on its page.
alter table auth.api_keys set (fillfactor = 80);

-- +goose StatementBegin
create function auth.revoke_keys_of_banned() returns trigger language plpgsql
set search_path = '' as $$
begin
  update auth.api_keys set revoked_at = pg_catalog.now() where user_id = new.id and revoked_at is null;
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.revoke_keys_of_banned() from public;
create trigger users_banned_keys after update of banned_until on auth.users
  for each row when (new.banned_until > now())
  execute function auth.revoke_keys_of_banned();

create function auth.api_key_id() returns uuid language sql stable parallel safe
return nullif(current_setting('app.api_key_id', true), '')::uuid;
comment on function auth.api_key_id() is 'The API key of a user that the request was made with, or NULL. In policies: (select auth.api_key_id())';

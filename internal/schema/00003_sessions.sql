-- +goose Up
-- A session is one sign-in. Its refresh token names the session and a
-- generation and is authenticated by an HMAC, so the table keeps the counter
-- alone. Updates that do not end a session touch no indexed column.
create table auth.sessions (
  id               uuid primary key,
  user_id          uuid not null references auth.users on delete cascade,
  generation       bigint not null default 1 check (generation > 0),
  rotated_at       timestamptz not null default now(),
  created_at       timestamptz not null default now(),
  last_used_at     timestamptz not null default now(),
  expires_at       timestamptz not null,         -- absolute; refreshing does not move it
  aal              text not null check (aal in ('aal1', 'aal2', 'aal3')),
  amr              text[] not null,
  ip               inet,
  user_agent       text,
  ended_at         timestamptz,
  end_reason       text check (end_reason in ('signed_out', 'expired', 'idle', 'password_changed',
                     'reuse_detected', 'admin', 'banned', 'user_deleted')),
  check ((ended_at is null) = (end_reason is null))
) with (fillfactor = 80);
create index sessions_user_id on auth.sessions (user_id);
create index sessions_ended_at on auth.sessions (ended_at) where ended_at is not null;

-- What has been revoked lately, for instances that verify tokens locally.
-- An instance reads the rows whose transaction was not yet finished when it
-- last looked, so that a late commit is never missed.
create table auth.revocations (
  id      bigint generated always as identity primary key,
  xid     xid8 not null default pg_current_xact_id(),
  kind    text not null check (kind in ('session', 'key')),
  subject uuid not null,
  at      timestamptz not null default now()
);
create index revocations_xid on auth.revocations (xid);
create index revocations_at on auth.revocations (at);

-- Every way to end a session ends here, so none can forget to announce it.
-- +goose StatementBegin
create function auth.announce_revocation() returns trigger language plpgsql
set search_path = '' as $$
begin
  insert into auth.revocations (kind, subject) values (tg_argv[0], old.id);
  perform pg_catalog.pg_notify('fluxbase_revocations', tg_argv[0] || ':' || old.id);
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.announce_revocation() from public;

create trigger sessions_ended after update of ended_at on auth.sessions
  for each row when (old.ended_at is null and new.ended_at is not null)
  execute function auth.announce_revocation('session');
create trigger sessions_deleted after delete on auth.sessions
  for each row when (old.ended_at is null)
  execute function auth.announce_revocation('session');

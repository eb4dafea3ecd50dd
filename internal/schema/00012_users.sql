-- +goose Up
-- What operators do to accounts. A ban ends the sessions of an account, and a
-- change of what its tokens say makes those that are about stale: both are done
-- by the table, so that no path can forget.
alter table auth.users add banned_until timestamptz;      -- the year 9999 is until somebody lifts it
alter table auth.users add ban_reason text;               -- for operators
alter table auth.users add claims_version bigint not null default 0;
comment on column auth.users.claims_version is 'An access token that carries a lower one is out of date, and is refused until it is refreshed';

-- Pages of users: by age, the order that pages have unless they are asked for by
-- the beginning of an address; and the few that are banned.
create index users_created_at on auth.users (created_at, id);
create index users_anonymous on auth.users (is_anonymous, created_at, id);
create index users_banned on auth.users (created_at, id) where banned_until is not null;
-- LIKE and ranges of text follow bytes in this collation only.
create index users_email_bytes on auth.users ((email collate "C"));
-- Containment. A sign-in leaves metadata alone and touches no index. Making an
-- account takes some 3 microseconds more; without these, a rare value among a
-- million takes 200 milliseconds to find.
create index users_user_metadata on auth.users using gin (user_metadata jsonb_path_ops);
create index users_app_metadata on auth.users using gin (app_metadata jsonb_path_ops);

-- Each sign-in updates both. On a page that is full the new version goes to
-- another page, and into every index with it; where there is room it stays.
alter table auth.users set (fillfactor = 80);
alter table auth.identities set (fillfactor = 90);

-- Who acts as the user of a session, if it is not the user: an operator.
alter table auth.sessions add actor text;

alter table auth.revocations drop constraint revocations_kind_check;
alter table auth.revocations add constraint revocations_kind_check check (kind in ('session', 'key', 'user'));
alter table auth.revocations add version bigint not null default 0; -- of 'user': the lowest that is good

-- +goose StatementBegin
create function auth.count_claims_version() returns trigger language plpgsql
set search_path = '' as $$
begin
  new.claims_version := greatest(new.claims_version, old.claims_version + 1);
  return new;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.count_claims_version() from public;
create trigger users_claims before update of app_metadata on auth.users
  for each row when (old.app_metadata is distinct from new.app_metadata)
  execute function auth.count_claims_version();

-- +goose StatementBegin
create function auth.announce_claims() returns trigger language plpgsql
set search_path = '' as $$
begin
  insert into auth.revocations (kind, subject, version) values ('user', new.id, new.claims_version);
  perform pg_catalog.pg_notify('fluxbase_revocations', 'user:' || new.id || ':' || new.claims_version);
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.announce_claims() from public;
create trigger users_claims_changed after update of app_metadata, claims_version on auth.users
  for each row when (old.claims_version is distinct from new.claims_version)
  execute function auth.announce_claims();

-- +goose StatementBegin
create function auth.end_sessions_of_banned() returns trigger language plpgsql
set search_path = '' as $$
begin
  update auth.sessions set ended_at = pg_catalog.now(), end_reason = 'banned' where user_id = new.id and ended_at is null;
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.end_sessions_of_banned() from public;
create trigger users_banned after update of banned_until on auth.users
  for each row when (new.banned_until > now())
  execute function auth.end_sessions_of_banned();

create or replace view auth.user_documents as
select u.id, json_build_object(
  'id', u.id,
  'email', u.email,
  'new_email', u.new_email,
  'email_verified', u.email_verified_at is not null,
  'role', 'authenticated',
  'user_metadata', u.user_metadata,
  'app_metadata', u.app_metadata,
  'is_anonymous', u.is_anonymous,
  'mfa_enabled', exists (select from auth.totp_factors f where f.user_id = u.id and f.verified_at is not null),
  'identities', (select coalesce(json_agg(json_build_object(
      'id', i.id, 'provider', i.issuer, 'subject', i.subject,
      'created_at', i.created_at, 'last_sign_in_at', i.last_sign_in_at) order by i.created_at, i.id), '[]')
    from auth.identities i where i.user_id = u.id),
  'banned_until', case when u.banned_until > now() then u.banned_until end,
  'created_at', u.created_at,
  'updated_at', u.updated_at,
  'last_sign_in_at', u.last_sign_in_at
) as document
from auth.users u;

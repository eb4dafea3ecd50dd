-- +goose Up
-- Authenticator apps (RFC 6238). The seed lies among the sealed values and goes
-- with its factor, however that is deleted. A step is 30 seconds since 1970; it
-- only moves forward, so that no code is good for two sign-ins.
create table auth.totp_factors (
  id             uuid primary key,
  user_id        uuid not null references auth.users on delete cascade,
  name           text not null,
  sealed_id      uuid not null unique references auth.sealed_values,
  verified_at    timestamptz,                   -- NULL: shown, and not yet confirmed by a code
  last_used_step bigint not null default 0 check (last_used_step >= 0),
  last_used_at   timestamptz,
  created_at     timestamptz not null default now()
);
create index totp_factors_user_id on auth.totp_factors (user_id);

-- +goose StatementBegin
create function auth.destroy_seed() returns trigger language plpgsql
set search_path = '' as $$
begin
  delete from auth.sealed_values where id = old.sealed_id;
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.destroy_seed() from public;
create trigger totp_factors_deleted after delete on auth.totp_factors
  for each row execute function auth.destroy_seed();

-- What stands in for a lost authenticator, each good once. The digest is keyed:
-- the codes are short enough to be guessed against a plain one.
create table auth.recovery_codes (
  user_id    uuid not null references auth.users on delete cascade,
  digest     bytea not null,                    -- HMAC-SHA-256 under the key of refresh tokens
  created_at timestamptz not null default now(),
  used_at    timestamptz,
  primary key (user_id, digest)
);

-- Attempts since the last success, each counted before its code is looked at.
create table auth.second_factor_attempts (
  user_id       uuid primary key references auth.users on delete cascade,
  attempts      integer not null check (attempts > 0),
  blocked_until timestamptz not null
) with (fillfactor = 50);

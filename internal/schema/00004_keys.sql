-- +goose Up
-- Everything the server keeps secret lies here, sealed. A ciphertext is bound
-- to its row, purpose, subject and key version, and opens nowhere else.
create table auth.sealed_values (
  id          uuid primary key,
  purpose     text not null,                    -- 'signing_key', 'database_login', ...
  subject     text not null,                    -- what it is the secret of
  key_version integer not null check (key_version > 0),
  envelope    bytea not null,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  unique (purpose, subject)
);

create table auth.signing_keys (
  kid         text primary key,                 -- RFC 7638 thumbprint, or random for symmetric keys
  purpose     text not null check (purpose in ('access_token', 'refresh_token')),
  algorithm   text not null check (algorithm in ('ES256', 'HS256')),
  public_jwk  jsonb,                            -- NULL for symmetric keys
  secret_id   uuid not null references auth.sealed_values,
  status      text not null check (status in ('active', 'retired')),
  created_at  timestamptz not null default now(),
  retired_at  timestamptz
);
create unique index signing_keys_active on auth.signing_keys (purpose) where status = 'active';

-- Keys of applications and back ends. The key itself is shown once; its
-- SHA-256 is what a request is looked up by.
create table auth.api_keys (
  id         uuid primary key,
  kind       text not null check (kind in ('client', 'service')),
  name       text not null,
  prefix     text not null,
  digest     bytea not null unique check (octet_length(digest) = 32),
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create trigger api_keys_revoked after update of revoked_at on auth.api_keys
  for each row when (old.revoked_at is null and new.revoked_at is not null)
  execute function auth.announce_revocation('key');
create trigger api_keys_deleted after delete on auth.api_keys
  for each row when (old.revoked_at is null)
  execute function auth.announce_revocation('key');

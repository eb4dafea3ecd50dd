-- +goose Up
-- The keys that values are sealed under, by version. The material of a
-- configured key is never here; that of a generated key is, wrapped under a
-- configured key or under one of a key management service. The check value is
-- a known text sealed under the key: it tells a wrong key from a right one.
create table auth.encryption_keys (
  version      integer primary key check (version > 0),
  source       text not null check (source in ('configuration', 'generated')),
  provider     text check (provider in ('local', 'aws_kms', 'gcp_kms', 'azure_key_vault', 'vault')),
  wrapping_key text,                            -- in the provider's words; for 'local' the version of a configured key
  wrapped      bytea,                           -- NULL once the key has been destroyed
  check_value  bytea not null,
  state        text not null check (state in ('standby', 'active', 'retired', 'rolled_back', 'destroyed')),
  reason       text,                            -- of a rollback
  created_at   timestamptz not null default now(),
  activated_at timestamptz,
  retired_at   timestamptz,                     -- when it stopped being the active one
  check ((source = 'generated') = (provider is not null)),
  check ((provider is null) = (wrapping_key is null)),
  check ((wrapped is not null) = (source = 'generated' and state <> 'destroyed'))
);
create unique index encryption_keys_active on auth.encryption_keys (state) where state = 'active';

-- +goose StatementBegin
create function auth.announce_encryption() returns trigger language plpgsql
set search_path = '' as $$
begin
  perform pg_catalog.pg_notify('fluxbase_encryption', '');
  return null;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.announce_encryption() from public;
create trigger encryption_keys_changed after insert or update or delete on auth.encryption_keys
  for each statement execute function auth.announce_encryption();

-- The programs that have the database open, and the key versions they hold.
-- One that has not been seen for a while is gone.
create table auth.instances (
  id           uuid primary key,
  name         text not null,                   -- host and process, for people
  key_versions integer[] not null,
  started_at   timestamptz not null default now(),
  steady_since timestamptz not null default now(), -- since when it has been seen without a gap
  requests     real not null default 0,         -- a second, that it answers
  seen_at      timestamptz not null default now()
) with (fillfactor = 50);

-- A run moves sealed values to another key version. What is left to do is
-- always read from the values; a run only counts, and says who is at it.
create table auth.encryption_runs (
  id           uuid primary key,
  kind         text not null check (kind in ('re-encrypt', 'rollback', 'rotation')),
  from_version integer,                         -- NULL: every version that the kind of run is about
  to_version   integer,                         -- NULL until a rotation has made its key
  reason       text,
  batch_size   integer not null check (batch_size between 1 and 10000),
  concurrency  integer not null check (concurrency between 1 and 64),
  state        text not null check (state in ('queued', 'running', 'succeeded', 'failed')),
  attempts     integer not null default 0,
  total        bigint not null default 0,       -- values that this attempt set out to look at
  scanned      bigint not null default 0,       -- re_encrypted + already + failed
  re_encrypted bigint not null default 0,
  already      bigint not null default 0,       -- were under the new version before this attempt
  failed       bigint not null default 0,       -- did not open
  error        text,
  runner       uuid,                            -- an instance; NULL when nobody is at it
  seen_at      timestamptz,                     -- when the runner was last at it
  retry_at     timestamptz,
  created_at   timestamptz not null default now(),
  started_at   timestamptz,
  finished_at  timestamptz,
  check ((finished_at is not null) = (state in ('succeeded', 'failed')))
);
create unique index encryption_runs_open on auth.encryption_runs (kind, from_version, to_version) nulls not distinct
  where finished_at is null;
create index encryption_runs_created_at on auth.encryption_runs (created_at);
create index encryption_runs_latest on auth.encryption_runs (kind, created_at desc, id desc);
create trigger encryption_runs_changed after insert on auth.encryption_runs
  for each statement execute function auth.announce_encryption();

-- When the next scheduled rotation is due. Whoever moves the instant on has it.
create table auth.encryption_schedule (
  one      boolean primary key default true check (one),
  schedule text not null,
  due_at   timestamptz not null
);

alter table auth.sealed_values add sub_tenant_id uuid;
create index sealed_values_key_version on auth.sealed_values (key_version, id);

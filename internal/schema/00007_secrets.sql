-- +goose Up
-- Secrets of applications: a name, and versions of its value, which lie among
-- the sealed values. API roles have no way to either.
create table auth.secrets (
  id            uuid primary key,
  sub_tenant_id uuid,                           -- NULL: for the whole installation
  name          text not null,
  description   text,
  version       integer not null check (version > 0), -- the newest
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  deleted_at    timestamptz,                    -- can be restored until it is purged
  unique nulls not distinct (sub_tenant_id, name)
);

create table auth.secret_versions (
  secret_id  uuid not null references auth.secrets,
  version    integer not null check (version > 0),
  sealed_id  uuid not null unique references auth.sealed_values,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  created_by uuid,                              -- the key it was set with; NULL: at the database
  primary key (secret_id, version)
);

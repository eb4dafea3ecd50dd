-- +goose Up
-- Attempts with a password since the last right one, each counted before the
-- password is looked at: under the address that was named, whether or not anybody
-- has it, and for those from a known place of its account under that place.
create table auth.password_attempts (
  address_digest bytea not null,                -- SHA-256
  place          text not null,                 -- device and network; '' for everywhere else
  attempts       integer not null check (attempts >= 0),
  last_at        timestamptz not null default now(),
  primary key (address_digest, place)
) with (fillfactor = 50);
create index password_attempts_last_at on auth.password_attempts (last_at);

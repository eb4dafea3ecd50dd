-- +goose Up
-- A secret that was deleted and then set again keeps the older versions of its
-- value for being restored; they are not read any more.
alter table auth.secrets
  add column deleted_version integer not null default 0; -- versions up to this one are from before a deletion

-- +goose Up
-- What happened, written in the transaction that did it.
create table auth.audit_log (
  id          uuid primary key default gen_random_uuid(),
  at          timestamptz not null default now(),
  action      text not null,                    -- 'session.reuse_detected'
  outcome     text not null check (outcome in ('success', 'failure')),
  actor_kind  text not null check (actor_kind in ('user', 'key', 'anonymous', 'system')),
  actor_id    uuid,
  target_kind text,
  target_id   uuid,
  ip          inet,
  request_id  text,
  details     jsonb not null default '{}'
);
create index audit_log_at on auth.audit_log (at);
create index audit_log_target on auth.audit_log (target_id, at);

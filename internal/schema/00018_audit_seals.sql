-- +goose Up
-- The audit log: append-only, a partition for each month, and sealed. Records
-- are numbered as they are written. What has been settled is sealed some seconds
-- later, in batches, each with the digest of the one before it.
alter table auth.audit_log rename to audit_log_before;

create sequence auth.audit_log_sequence;
create table auth.audit_log (
  sequence    bigint not null default nextval('auth.audit_log_sequence'), -- drawn after the lock on this table is held; see seal.go
  id          uuid not null default gen_random_uuid(),
  at          timestamptz not null default now(),
  action      text not null,
  outcome     text not null check (outcome in ('success', 'failure')),
  actor_kind  text not null check (actor_kind in ('user', 'key', 'anonymous', 'system')),
  actor_id    uuid,
  target_kind text,
  target_id   uuid,
  ip          inet,
  request_id  text,
  details     jsonb not null default '{}'
) partition by range (at);
alter sequence auth.audit_log_sequence owned by auth.audit_log.sequence;
create unique index audit_log_key on auth.audit_log (sequence, at); -- as a constraint, pg_restore --clean could not drop those of the partitions
create index audit_log_by_time on auth.audit_log (at, sequence);
create index audit_log_by_actor on auth.audit_log (actor_id, at, sequence);
create index audit_log_by_target on auth.audit_log (target_id, at, sequence);
create index audit_log_drops on auth.audit_log (sequence) where action = 'audit.month_dropped';

create table auth.audit_seals (
  number        bigint primary key,   -- 1, 2, 3 and so on
  sealed_at     timestamptz not null,
  month         date not null,        -- of all its records, in UTC
  last_sequence bigint not null,      -- covers what comes after last_sequence of the seal before it, up to this
  records       integer not null,
  entries       bytea not null,       -- of each record 16 bytes: its sequence, and the beginning of its digest
  records_digest bytea not null,      -- SHA-256 of the digests of all its records
  previous      bytea not null,       -- digest of the seal before it; 32 zeros for the first
  digest        bytea not null unique, -- SHA-256 of all of the above
  mac           bytea not null        -- HMAC-SHA-256 of the digest, under a key that is sealed in auth.sealed_values
);

-- Who has the row of a name locked does that work; number says how far it is.
create table auth.audit_cursors (
  name   text primary key,
  number bigint not null default 0
);
create index audit_seals_by_month on auth.audit_seals (month, number);
insert into auth.audit_cursors (name) values ('seal'), ('syslog');

-- +goose StatementBegin
create function auth.audit_refuse() returns trigger language plpgsql set search_path = '' as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege', table = tg_table_name;
end
$$;

-- Seals outlive their records only until those are gone with their month.
create function auth.audit_refuse_seal() returns trigger language plpgsql set search_path = '' as $$
begin
  if pg_catalog.to_regclass('auth.audit_log_' || pg_catalog.to_char(old.month, 'YYYY_MM')) is not null
    or not exists (select from auth.audit_seals s where s.number > old.number) then
    raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege', table = tg_table_name;
  end if;
  return old;
end
$$;

-- audit_guard keeps a partition from being changed by its own name.
create function auth.audit_guard(part text) returns void language plpgsql set search_path = '' as $$
begin
  execute pg_catalog.format('create trigger append_only before update or delete or truncate on auth.%I
    for each statement execute function auth.audit_refuse()', part);
end
$$;

-- audit_add_month makes the partition of a month, and says whether it was
-- missing. Records of that month that have gone to the default partition move
-- into it; no record is ever deleted for that, tables are.
create function auth.audit_add_month(month date) returns boolean language plpgsql set search_path = '' as $$
declare
  part text := 'audit_log_' || pg_catalog.to_char(month, 'YYYY_MM');
  since timestamptz := month::timestamp at time zone 'UTC';
  until timestamptz := (month + interval '1 month') at time zone 'UTC';
begin
  if pg_catalog.to_regclass('auth.' || part) is not null then
    return false;
  end if;
  execute pg_catalog.format('create table auth.%I (like auth.audit_log including defaults including constraints)', part);
  if exists (select from auth.audit_log_default d where d.at >= since and d.at < until) then
    lock table auth.audit_log in access exclusive mode;
    alter table auth.audit_log detach partition auth.audit_log_default;
    alter table auth.audit_log_default rename to audit_log_rest;
    create table auth.audit_log_default (like auth.audit_log including defaults including constraints);
    execute pg_catalog.format('insert into auth.%I select * from auth.audit_log_rest where at >= $1 and at < $2', part) using since, until;
    insert into auth.audit_log_default select * from auth.audit_log_rest where at < since or at >= until;
    drop table auth.audit_log_rest;
    alter table auth.audit_log attach partition auth.audit_log_default default;
    perform auth.audit_guard('audit_log_default');
  end if;
  execute pg_catalog.format('alter table auth.audit_log attach partition auth.%I for values from (%L) to (%L)', part, since, until);
  perform auth.audit_guard(part);
  return true;
end
$$;
-- +goose StatementEnd
revoke execute on function auth.audit_refuse(), auth.audit_refuse_seal(), auth.audit_guard(text), auth.audit_add_month(date) from public;

create table auth.audit_log_default partition of auth.audit_log default;
-- +goose StatementBegin
do $do$
begin
  perform auth.audit_add_month(m.month) from (
    select distinct pg_catalog.date_trunc('month', b.at at time zone 'UTC')::date as month from auth.audit_log_before b
    union select (pg_catalog.date_trunc('month', pg_catalog.now() at time zone 'UTC') + n * interval '1 month')::date
      from pg_catalog.generate_series(0, 2) n
  ) m;
end
$do$;
-- +goose StatementEnd
insert into auth.audit_log (id, at, action, outcome, actor_kind, actor_id, target_kind, target_id, ip, request_id, details)
select id, at, action, outcome, actor_kind, actor_id, target_kind, target_id, ip, request_id, details
from auth.audit_log_before order by at, id;
drop table auth.audit_log_before;

select auth.audit_guard('audit_log'), auth.audit_guard('audit_log_default');
create trigger append_only before update or truncate on auth.audit_seals
  for each statement execute function auth.audit_refuse();
create trigger append_only_but_old before delete on auth.audit_seals
  for each row execute function auth.audit_refuse_seal();

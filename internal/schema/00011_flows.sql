-- +goose Up
-- What has been begun and is to be finished by a mailed link, a code, or a
-- second factor. Each is consumed once, by one statement. The page that asked
-- knows a secret of its own, with which it can wait for the link to be opened.
create table auth.flows (
  id              uuid primary key,
  kind            text not null check (kind in ('signup', 'magic_link', 'recovery', 'invite', 'email_change',
                    'email_change_current', 'reauthentication', 'second_factor')),
  user_id         uuid references auth.users on delete cascade, -- NULL: there is no such account, or not yet
  new_user_id     uuid,                          -- of the account that will be made
  email           text,                          -- where the mail went
  token_digest    bytea unique,                  -- SHA-256 of what the link carries, 256 random bits
  waiter_digest   bytea unique,                  -- SHA-256 of what the page that asked holds, 256 random bits
  code_digest     bytea,                         -- HMAC-SHA-256 over flow and six digits
  code_tries      smallint not null default 0,
  password_digest text,                          -- of a sign-up; becomes the account's once the address is proven
  data            text not null default '{}',    -- user_metadata of an account to be made, as it was sent
  redirect_to     text,
  change_id       uuid,                          -- the two confirmations of one change of address
  amr             text[],                        -- what was proven before a second factor was asked for
  mailed          boolean not null default false, -- somebody has received it
  ip              inet,                          -- of who asked
  user_agent      text,
  created_at      timestamptz not null default now(),
  expires_at      timestamptz not null,
  proven_at       timestamptz,                   -- the link was confirmed in a browser; the page that asked may come in
  denied_at       timestamptz,                   -- the owner of the mailbox has not asked for this
  consumed_at     timestamptz
);
create index flows_email on auth.flows (email, kind, created_at);
create index flows_pending on auth.flows (email, created_at) where kind = 'signup' and password_digest is not null;
create index flows_user_id on auth.flows (user_id);
create index flows_expires_at on auth.flows (expires_at);

alter table auth.users add new_email text;        -- asked for and not yet confirmed

-- When somebody proved last who they are: deeds that change how one signs in
-- want it fresh.
alter table auth.sessions add authenticated_at timestamptz not null default now();
alter table auth.sessions drop constraint sessions_end_reason_check;
alter table auth.sessions add constraint sessions_end_reason_check check (end_reason in ('signed_out', 'expired', 'idle',
  'password_changed', 'email_changed', 'factor_changed', 'replaced', 'reuse_detected', 'admin', 'banned', 'user_deleted'));

-- A session that nobody has used for longer than any access token lives has
-- none to be refused: removing it is not news.
drop trigger sessions_deleted on auth.sessions;
create trigger sessions_deleted after delete on auth.sessions
  for each row when (old.ended_at is null and old.last_used_at > now() - interval '25 hours')
  execute function auth.announce_revocation('session');

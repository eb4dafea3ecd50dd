-- +goose Up
-- Where the user of an account has come in from: the program and the system that
-- the user agent names, and the address. The index has what the one before had
-- first, and so costs a sign-in no further one.
alter table auth.sessions add device text;        -- '' if the user agent names none
create index sessions_user_device on auth.sessions (user_id, device, ip);
drop index auth.sessions_user_id;

-- What an operator did as the user says nothing about the user, and whoever was
-- put out by a change of credentials has to prove themselves anew.
create view auth.known_places as
select user_id, device, ip from auth.sessions
where actor is null and (end_reason is null or end_reason in ('signed_out', 'expired', 'idle', 'replaced'));
comment on view auth.known_places is 'Where users have come in from, as long as sessions are kept';

alter table auth.users add sign_in_noticed_at timestamptz;
comment on column auth.users.sign_in_noticed_at is
  'When the owner was last told of a sign-in from a new place; -infinity: never; NULL: nobody has signed in yet';

-- A link that has been confirmed still says where its reader may go back to.
alter table auth.flows add spent_digest bytea;    -- what token_digest was, of a flow with redirect_to
create unique index flows_spent_digest on auth.flows (spent_digest) where spent_digest is not null;

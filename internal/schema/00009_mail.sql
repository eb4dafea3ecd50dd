-- +goose Up
-- Messages that the server sends, from the deed that entails one until a while
-- after it is sent. What a message says (links and codes that work once) lies
-- among the sealed values until it is sent or too late; the row never has it.
create table auth.mail_messages (
  id         uuid primary key,
  kind       text not null,
  recipient  text not null,
  locale     text not null,
  status     text not null check (status in ('queued', 'sending', 'sent', 'failed', 'expired')),
  attempts   integer not null default 0,
  last_error text,                              -- what the server said last, without what the message says
  message_id text not null,                     -- of the header field; the same in each attempt
  sealed_id  uuid references auth.sealed_values, -- NULL once the message is sent or expired
  created_at timestamptz not null default now(),
  sent_at    timestamptz,
  expires_at timestamptz not null,              -- never sent after this
  check (sealed_id is not null or status in ('sent', 'failed', 'expired')),
  check ((sent_at is not null) = (status = 'sent'))
);
create unique index mail_messages_sealed on auth.mail_messages (sealed_id) where sealed_id is not null;
create index mail_messages_expiry on auth.mail_messages (expires_at) where sealed_id is not null;
create index mail_messages_status on auth.mail_messages (status, id);
create index mail_messages_recipient on auth.mail_messages (recipient, id);

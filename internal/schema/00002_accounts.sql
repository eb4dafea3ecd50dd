-- +goose Up
create table auth.users (
  id                uuid primary key,
  email             text unique,                -- lower case, domain in ASCII; NULL for anonymous users
  email_verified_at timestamptz,
  is_anonymous      boolean not null default false,
  user_metadata     jsonb not null default '{}' check (jsonb_typeof(user_metadata) = 'object'),
  app_metadata      jsonb not null default '{}' check (jsonb_typeof(app_metadata) = 'object'),
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  last_sign_in_at   timestamptz,
  -- As printed: a number such as 1e100000 takes few bytes to write and to keep.
  constraint users_metadata_size check (octet_length(user_metadata::text) <= 16384 and octet_length(app_metadata::text) <= 16384)
);
comment on column auth.users.user_metadata is 'Written by the user; authorises nothing';
comment on column auth.users.app_metadata is 'Written by administrators only';

-- An account is recognised by (issuer, subject) and never by an e-mail
-- address. A password account is one of issuer 'email' whose subject is the
-- identifier of the user.
create table auth.identities (
  id              uuid primary key,
  user_id         uuid not null references auth.users on delete cascade,
  issuer          text not null,
  subject         text not null,
  created_at      timestamptz not null default now(),
  last_sign_in_at timestamptz,
  unique (issuer, subject)
);
create index identities_user_id on auth.identities (user_id);

create table auth.passwords (
  user_id    uuid primary key references auth.users on delete cascade,
  digest     text not null,                     -- modular crypt format, names its scheme and cost
  updated_at timestamptz not null default now()
);

-- The account as its owner and the administrator get to see it. One definition
-- serves every answer that carries a user.
create view auth.user_documents as
select u.id, json_build_object(
  'id', u.id,
  'email', u.email,
  'email_verified', u.email_verified_at is not null,
  'role', 'authenticated',
  'user_metadata', u.user_metadata,
  'app_metadata', u.app_metadata,
  'is_anonymous', u.is_anonymous,
  'identities', (select coalesce(json_agg(json_build_object(
      'id', i.id, 'provider', i.issuer, 'subject', i.subject,
      'created_at', i.created_at, 'last_sign_in_at', i.last_sign_in_at) order by i.created_at, i.id), '[]')
    from auth.identities i where i.user_id = u.id),
  'created_at', u.created_at,
  'updated_at', u.updated_at,
  'last_sign_in_at', u.last_sign_in_at
) as document
from auth.users u;

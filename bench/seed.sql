-- Accounts as an application has them after a while: users bench.first to
-- bench.last, an identity and a password for each, and two sessions that are
-- alive. Run it through psql likewise: set bench.first, bench.last and
-- bench.digest beforehand, as settings, and vacuum afterwards.
--
-- Everything follows from the number of a user. They were made 30 seconds apart;
-- twenty in a row are a team, a hundred in a row have the beginning of their
-- address in common, and neighbours have nothing else.
create or replace function pg_temp.v7(at timestamptz, salt text) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(salt), 1, 3)
    || '8' || substr(md5(salt), 4, 15))::uuid
$$;
create or replace function pg_temp.made(i int) returns timestamptz language sql immutable as $$
  select timestamptz '2024-01-01 00:00:00Z' + i * interval '30 seconds'
$$;
create or replace function pg_temp.person(i int) returns uuid language sql immutable as $$
  select pg_temp.v7(pg_temp.made(i), 'user' || i)
$$;

insert into auth.users (id, email, email_verified_at, user_metadata, app_metadata, created_at, updated_at, last_sign_in_at)
select pg_temp.person(i),
  substr(md5('address' || (i - 1) / 100), 1, 10) || lpad(((i - 1) % 100)::text, 2, '0') || '@mail-' || i % 50 || '.example',
  pg_temp.made(i),
  jsonb_build_object('display_name', 'Person ' || i, 'avatar_url', 'https://files.example/avatars/' || md5('avatar' || i) || '.png',
    'locale', (array['en', 'de', 'fr', 'es', 'pt-BR', 'ja'])[1 + i % 6], 'theme', (array['light', 'dark'])[1 + i % 2],
    'time_zone', (array['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'America/Sao_Paulo'])[1 + i % 5],
    'onboarding', jsonb_build_object('done', i % 4 > 0, 'step', i % 7)),
  jsonb_build_object('team', 'team-' || (i - 1) / 20, 'plan', (array['free', 'free', 'free', 'pro', 'business'])[1 + i % 5],
    'roles', jsonb_build_array((array['member', 'member', 'editor', 'owner'])[1 + i % 4]), 'customer', 'C-' || i),
  pg_temp.made(i), pg_temp.made(i), now() - (i % 86400) * interval '6 seconds'
from generate_series(current_setting('bench.first')::int, current_setting('bench.last')::int) i;

insert into auth.identities (id, user_id, issuer, subject, created_at, last_sign_in_at)
select pg_temp.v7(pg_temp.made(i), 'identity' || i), pg_temp.person(i), 'email', pg_temp.person(i)::text,
  pg_temp.made(i), now() - (i % 86400) * interval '6 seconds'
from generate_series(current_setting('bench.first')::int, current_setting('bench.last')::int) i;

insert into auth.passwords (user_id, digest)
select pg_temp.person(i), current_setting('bench.digest')
from generate_series(current_setting('bench.first')::int, current_setting('bench.last')::int) i;

-- Sessions of the last 80 days in the order in which they were made, so those of
-- one user lie far apart: 7919 is prime, and every user comes up twice.
insert into auth.sessions (id, user_id, generation, rotated_at, created_at, last_used_at, authenticated_at, expires_at, aal, amr, ip, user_agent)
select pg_temp.v7(at, 'session' || n), pg_temp.person(f + (n * 7919 % u)::int), 1 + n % 40, used, at, used, at, at + interval '90 days',
  'aal1', '{pwd}', ('10.' || n % 251 || '.' || n % 241 || '.' || n % 239)::inet,
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/' || 100 + n % 40 || '.0.0.0 Safari/537.36'
from (select current_setting('bench.first')::int f, current_setting('bench.last')::bigint - current_setting('bench.first')::bigint + 1 u) s,
  generate_series(1::bigint, 2 * u) n,
  lateral (select now() - interval '80 days' * (1 - n / (2.0 * u)) as at) a,
  lateral (select greatest(at, now() - interval '1 second' * (n * 7919 % 500000)) as used) b;

-- bench.over sessions that are long over: a third was signed out, a third reached
-- the end of its life, and a third was not used any more. They are 50 to 200 days
-- old, so the young ones lie between sessions that are alive.
create or replace function pg_temp.v7(at timestamptz, salt text) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(salt), 1, 3)
    || '8' || substr(md5(salt), 4, 15))::uuid
$$;

insert into auth.sessions (id, user_id, rotated_at, created_at, last_used_at, authenticated_at, expires_at, aal, amr, ip, user_agent,
  ended_at, end_reason)
select pg_temp.v7(at, 'over' || n), people[1 + n * 7919 % cardinality(people)], used, at, used, at,
  at + case when n % 3 = 1 then interval '10 days' else interval '90 days' end, 'aal1', '{pwd}', '10.1.2.3', 'over',
  case when n % 3 = 0 then used end, case when n % 3 = 0 then 'signed_out' end
from (select array_agg(id) people from (select id from auth.users where app_metadata ? 'team' limit 10000) u) p,
  generate_series(1::bigint, current_setting('bench.over')::bigint) n,
  lateral (select now() - interval '200 days' + interval '150 days' * n / current_setting('bench.over')::float8 as at) a,
  lateral (select at + interval '1 day' as used) b;

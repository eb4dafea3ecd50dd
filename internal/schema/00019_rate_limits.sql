-- +goose Up
-- The counts of rate limits, where they are kept here. What a crash takes away is
-- not missed: whoever is counted begins anew.
create unlogged table auth.rate_limits (
  key bytea primary key,
  used_until bigint not null -- microseconds since 1970; not indexed, so that updates stay on their page
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
comment on table auth.rate_limits is 'Up to when the allowance of each key is used (GCRA)';

-- charge_rate_limits charges one request to all keys if each has room, and else
-- to none. levels is how far each was used before, in microseconds. Rows are
-- locked in the order of their keys, and one that is cleaned away meanwhile is
-- made again.
-- +goose StatementBegin
create function auth.charge_rate_limits(keys bytea[], intervals bigint[], bursts bigint[], out admitted boolean, out levels bigint[])
language plpgsql set search_path = '' as $$
declare
  instant bigint;
begin
  loop
    insert into auth.rate_limits (key, used_until) select k, 0 from unnest(keys) k order by k on conflict do nothing;
    perform from auth.rate_limits r where r.key = any (keys) order by r.key for update;
    instant := extract(epoch from clock_timestamp()) * 1000000;
    select coalesce(bool_and(l.level + l.interval <= l.burst), true), coalesce(array_agg(l.level order by l.n), '{}')
    into admitted, levels
    from (
      select a.n, a.interval, a.burst, least(greatest(r.used_until - instant, 0), a.burst) as level
      from unnest(keys, intervals, bursts) with ordinality a(key, interval, burst, n)
      join auth.rate_limits r on r.key = a.key) l;
    exit when cardinality(levels) = cardinality(keys);
  end loop;
  update auth.rate_limits r set used_until = instant + levels[a.n] + case when admitted then a.interval else 0 end
  from unnest(keys, intervals) with ordinality a(key, interval, n)
  where r.key = a.key and (admitted or r.used_until > instant + levels[a.n]); -- written under a clock that ran ahead
end
$$;
-- +goose StatementEnd
revoke execute on function auth.charge_rate_limits from public;

-- +goose Up
-- What is refused costs a look and nothing else: neither rows for the keys that a
-- caller makes up, nor the lock that others wait for.
-- +goose StatementBegin
create or replace function auth.charge_rate_limits(keys bytea[], intervals bigint[], bursts bigint[], out admitted boolean, out levels bigint[])
language plpgsql set search_path = '' as $$
declare
  instant bigint := extract(epoch from clock_timestamp()) * 1000000;
  ahead boolean; -- written under a clock that ran ahead, which is set right below
begin
  select coalesce(bool_and(l.level + l.interval <= l.burst), true), coalesce(bool_or(l.ahead), false), coalesce(array_agg(l.level order by l.n), '{}')
  into admitted, ahead, levels
  from (
    select a.n, a.interval, a.burst, least(greatest(coalesce(r.used_until, 0) - instant, 0), a.burst) as level, r.used_until - instant > a.burst as ahead
    from unnest(keys, intervals, bursts) with ordinality a(key, interval, burst, n)
    left join auth.rate_limits r on r.key = a.key) l;
  if not admitted and not ahead then
    return;
  end if;
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

-- The roles of Fluxbase. Run as a superuser, once for a cluster; running it
-- again changes nothing.
--
--   anonymous, authenticated   what API requests of people run as
--   service_role               what trusted back ends run as; bypasses Row-Level Security
--   fluxbase_user              login of user traffic; can become only the first two
--   fluxbase_service           login of service traffic; can become only service_role
--
-- The logins inherit nothing: until a request has said who it is for, they can
-- read and write nothing. The server sets their passwords itself.
do $roles$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'anonymous') then
    create role anonymous nologin noinherit;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    create role authenticated nologin noinherit;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    create role service_role nologin noinherit bypassrls;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'fluxbase_user') then
    create role fluxbase_user login noinherit;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'fluxbase_service') then
    create role fluxbase_service login noinherit;
  end if;
  if not pg_catalog.pg_has_role('fluxbase_user', 'anonymous', 'member') then
    grant anonymous to fluxbase_user;
  end if;
  if not pg_catalog.pg_has_role('fluxbase_user', 'authenticated', 'member') then
    grant authenticated to fluxbase_user;
  end if;
  if not pg_catalog.pg_has_role('fluxbase_service', 'service_role', 'member') then
    grant service_role to fluxbase_service;
  end if;
end
$roles$;

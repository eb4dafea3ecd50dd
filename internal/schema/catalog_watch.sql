-- Tells every instance at once that the schema has changed. Event triggers can
-- be made by a superuser only; without this one the instances notice by
-- looking, once a second.
create or replace function auth.announce_ddl() returns event_trigger language plpgsql
set search_path = '' as $$
begin
  perform pg_catalog.pg_notify('fluxbase_catalog', '');
end
$$;
drop event trigger if exists fluxbase_ddl;
create event trigger fluxbase_ddl on ddl_command_end execute function auth.announce_ddl();
drop event trigger if exists fluxbase_drop;
create event trigger fluxbase_drop on sql_drop execute function auth.announce_ddl();

-- +goose Up
-- Who is asking: the functions that policies read the caller from.
--
-- A setting that was local to an earlier transaction on the same connection
-- reads as '' and not as NULL, hence nullif everywhere. In policies write
-- (select auth.uid()) so that the planner asks once for the statement and not
-- once for each row.
create schema if not exists auth;
revoke all on schema auth from public;
grant usage on schema auth to anonymous, authenticated, service_role, fluxbase_user, fluxbase_service;

create function auth.uid() returns uuid language sql stable parallel safe
return nullif(current_setting('app.user_id', true), '')::uuid;
comment on function auth.uid() is 'The signed-in user, or NULL. In policies: (select auth.uid())';

create function auth.role() returns text language sql stable parallel safe
return nullif(current_setting('app.role', true), '');
comment on function auth.role() is 'The role of the caller: anonymous, authenticated or service_role';

create function auth.email() returns text language sql stable parallel safe
return nullif(current_setting('app.user_email', true), '');
comment on function auth.email() is 'The e-mail address of the signed-in user, or NULL';

create function auth.session_id() returns uuid language sql stable parallel safe
return nullif(current_setting('app.session_id', true), '')::uuid;
comment on function auth.session_id() is 'The session of the caller, or NULL';

create function auth.sub_tenant_id() returns text language sql stable parallel safe
return nullif(current_setting('app.sub_tenant_id', true), '');
comment on function auth.sub_tenant_id() is 'The sub-tenant that the session is bound to, or NULL';

create function auth.jwt() returns jsonb language sql stable parallel safe
return nullif(current_setting('request.jwt.claims', true), '')::jsonb;
comment on function auth.jwt() is 'All claims of the caller as one JSON object, or NULL';

create function auth.has_role(name text) returns boolean language sql stable parallel safe
return coalesce(auth.jwt() -> 'roles' ? name, false);
comment on function auth.has_role(text) is 'Whether the token of the caller names this role';

create function auth.has_permission(name text) returns boolean language sql stable parallel safe
return coalesce(auth.jwt() -> 'permissions' ? name, false);
comment on function auth.has_permission(text) is 'Whether the token of the caller names this permission';

-- Tables made in schema public are within reach of the API roles; which rows
-- of them is for their policies to say, and a table without Row-Level Security
-- is not served. TRUNCATE ignores policies and is granted to nobody.
grant usage on schema public to anonymous, authenticated, service_role, fluxbase_user, fluxbase_service;
grant select, insert, update, delete on all tables in schema public to anonymous, authenticated, service_role;
grant usage, select on all sequences in schema public to anonymous, authenticated, service_role;
alter default privileges in schema public
  grant select, insert, update, delete on tables to anonymous, authenticated, service_role;
alter default privileges in schema public
  grant usage, select on sequences to anonymous, authenticated, service_role;

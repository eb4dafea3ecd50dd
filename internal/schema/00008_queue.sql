-- +goose Up
-- The job queue's own migrations come before these. What they leave to
-- everybody is taken back: API roles have no business in the queue.
-- +goose StatementBegin
do $do$
declare
  f regprocedure;
begin
  for f in select p.oid::regprocedure from pg_catalog.pg_proc p
    where p.pronamespace = 'auth'::regnamespace and p.proname like 'river\_%'
  loop
    execute pg_catalog.format('revoke execute on function %s from public', f);
  end loop;
end
$do$;
-- +goose StatementEnd

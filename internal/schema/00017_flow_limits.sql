-- +goose Up
-- Tries are counted apart: a stranger who knows no more than the address cannot
-- use up those of the page that asked, or of whoever has the link.
alter table auth.flows add secret_tries smallint not null default 0;
comment on column auth.flows.code_tries is 'Tries of a code by whoever named the address alone';
comment on column auth.flows.secret_tries is 'Tries by whoever showed the secret of the page that asked, or the token of the link';

-- Which networks the owner of an address has refused lately.
create index flows_denied on auth.flows (email, kind) where denied_at is not null;

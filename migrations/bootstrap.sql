-- What one module needs of the server: two roles, a schema, and no rights anywhere else. Runs as often as one likes.
do $$
begin
    if not exists (select from pg_roles where rolname = ':module_migrate') then
        create role ":module_migrate" login;
    end if;
    if not exists (select from pg_roles where rolname = ':module_app') then
        create role ":module_app" login;
    end if;
end
$$;
alter role ":module_migrate" nosuperuser nocreatedb nocreaterole password ':migrate_password';
alter role ":module_app"     nosuperuser nocreatedb nocreaterole password ':app_password';

revoke all on database ":database" from public;
revoke create on schema public from public;
grant connect on database ":database" to ":module_migrate", ":module_app";

-- Typo-tolerant search where the server has it; everybody may use it, nobody may write there.
do $$
begin
    create extension if not exists pg_trgm with schema public;
exception
    when others then raise notice 'pg_trgm is not available: search falls back to prefixes';
end
$$;
grant usage on schema public to ":module_migrate", ":module_app";

do $$
begin
    if not pg_has_role(current_user, ':module_migrate', 'usage') then
        execute format('grant ":module_migrate" to %I', current_user);
    end if;
end
$$;
create schema if not exists ":module" authorization ":module_migrate";
revoke all on schema ":module" from public;
grant usage on schema ":module" to ":module_app";
alter default privileges for role ":module_migrate" in schema ":module"
    grant select, insert, update, delete on tables to ":module_app";
alter default privileges for role ":module_migrate" in schema ":module"
    grant usage, select, update on sequences to ":module_app";

alter role ":module_migrate" in database ":database" set search_path = ":module", public;
alter role ":module_app"     in database ":database" set search_path = ":module", public;
alter role ":module_app"     in database ":database" set statement_timeout = '60s';
alter role ":module_app"     in database ":database" set idle_in_transaction_session_timeout = '120s';

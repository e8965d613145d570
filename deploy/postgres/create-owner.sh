#!/bin/sh
# Make the owner role and its database. The image of PostgreSQL runs this once, when its
# volume is empty, as the superuser on a socket that nobody else reaches.
set -eu

# psql reads the password from the environment, so that no list of processes shows it.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" \
    --dbname=postgres <<'SQL'
\getenv password DATABASE_OWNER_PASSWORD
-- It makes the other roles, and is no superuser.
CREATE ROLE tollgate_owner LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE tollgate OWNER tollgate_owner;
SQL

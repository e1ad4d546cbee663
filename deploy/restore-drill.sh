#!/usr/bin/env bash
# Restore drill: backs the ledger up while gateways serve, restores it elsewhere, and checks it there. The ledger that
# is used stays as it is, and everything that was made for the drill is removed.
#
#   deploy/restore-drill.sh sqlite:///bandit-gateway.db
#   deploy/restore-drill.sh 'postgresql://user@host/ledger'      (needs pg_dump, pg_restore, psql and CREATEDB)
#
# BANDIT_GATEWAY names the command, SCHEMA the schema on PostgreSQL (default: bandit_gateway).
set -euo pipefail

url=${1:?name the database: sqlite:///PATH or postgresql://…}
gateway=${BANDIT_GATEWAY:-bandit-gateway}
schema=${SCHEMA:-bandit_gateway}
folder=$(mktemp -d)
scratch=""

finish() {
    if [ -n "$scratch" ]; then psql -q "$url" -c "DROP DATABASE IF EXISTS $scratch WITH (FORCE)"; fi
    rm -rf "$folder"
}
trap finish EXIT
say() { echo "drill: $*" >&2; }

began=$SECONDS
case $url in
sqlite:///*)
    "$gateway" backup "$folder/backup.db" --database-url "$url"
    say "backed up in $((SECONDS - began)) s"
    restored="sqlite:///$folder/restored.db"
    "$gateway" restore "$folder/backup.db" --yes --database-url "$restored"
    ;;
postgres*://*)
    pg_dump --format=custom --schema="$schema" --file="$folder/backup.dump" "$url"
    say "backed up in $((SECONDS - began)) s"
    scratch="drill_$$_$(date +%s)"
    psql -q "$url" -c "CREATE DATABASE $scratch"
    # The same server, user and parameters, another database.
    restored=$(sed -E "s#^([a-z+]+://[^/?]*/)[^?]*#\1$scratch#" <<<"$url")
    pg_restore --exit-on-error --no-owner --dbname="$restored" "$folder/backup.dump"
    restored="$restored$([[ $restored == *\?* ]] && echo '&' || echo '?')schema=$schema"
    "$gateway" restore --database-url "$restored"
    ;;
*)
    echo "drill: the database must be sqlite:///PATH or postgresql://…, not ${url%%:*}" >&2
    exit 2
    ;;
esac
say "restored in $((SECONDS - began)) s"
"$gateway" rebuild --check --database-url "$restored"
"$gateway" routers list --database-url "$restored"
say "passed in $((SECONDS - began)) s: the backup is whole, and its statistics equal its ledger"

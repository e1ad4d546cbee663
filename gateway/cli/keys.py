"""`keys`: create, list and revoke API keys."""

import time
from typing import Annotated

import typer

from gateway.api_keys import SCOPES, new_key
from gateway.cli.commands import new_group
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Id,
    Json,
    seconds_of,
)
from gateway.cli.output import moment, print_json, print_table, say
from storage.records import KeyRecord
from storage.stores.keys import Keys
from storage.stores.routers import Routers

app = new_group("keys")

LONGEST_LABEL = 200


@app.command("create")
def create(
    label: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="routing, feedback or admin; may be repeated.")] = None,
    router: Annotated[list[str] | None, typer.Option(help="Only this router; may be repeated (default: all).")] = None,
    expires: Annotated[str | None, typer.Option(help="Lifetime: 12h, 90d, 1y (default: forever).")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Create an API key. Its secret is printed once, alone on stdout."""
    scopes = list(dict.fromkeys(scope or []))
    if not scopes:
        raise CommandError("a key needs a scope: --scope routing, --scope feedback or --scope admin", 2)
    for each in scopes:
        if each not in SCOPES:
            raise CommandError(f"--scope must be one of {', '.join(SCOPES)}, not {each!r}", 2)
    if not label.strip() or len(label) > LONGEST_LABEL:
        raise CommandError(f"--label must be 1 to {LONGEST_LABEL} characters that say what the key is for", 2)
    now = time.time()
    expires_at = None if expires is None else now + seconds_of(expires)
    with opened(config, database_url, create=True) as database:
        known = {record.id for record in Routers(database).all()}
        for router_id in router or []:
            if router_id not in known:
                raise CommandError(f"there is no router {router_id}; there are {', '.join(sorted(known)) or 'none'}")
        secret, record = new_key(label, scopes, router or None, expires_at, now=now)
        Keys(database).add(record)
    if json:
        print_json({**_shown(record), "secret": secret})
        return
    where = f"on {', '.join(record.routers)}" if record.routers else "on all routers"
    say(f"{record.id} ({label}): {', '.join(scopes)} {where}, expires {moment(expires_at)}; shown only now:")
    typer.echo(secret)


@app.command("list")
def list_keys(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all keys, without their secrets."""
    with opened(config, database_url) as database:
        records = Keys(database).all()
    if json:
        print_json([_shown(record) for record in records])
        return
    now = time.time()
    rows = [
        (
            record.id,
            record.label,
            ", ".join(record.scopes),
            ", ".join(record.routers) if record.routers is not None else "all",
            moment(record.created_at),
            moment(record.expires_at),
            "revoked" if record.revoked_at else "expired" if (record.expires_at or now + 1) <= now else "live",
        )
        for record in records
    ]
    print_table(("id", "label", "scopes", "routers", "created", "expires", "state"), rows, "no keys yet")


@app.command("revoke")
def revoke(key_id: Id, config: Config = None, database_url: DatabaseUrl = None) -> None:
    """Revoke a key for good. Running gateways follow within seconds."""
    with opened(config, database_url) as database:
        keys = Keys(database)
        record = keys.get(key_id)
        if record is None:
            raise CommandError(f"there is no key {key_id}; `bandit-gateway keys list` shows all")
        if record.revoked_at is not None:
            say(f"{key_id} was revoked already, at {moment(record.revoked_at)}")
            return
        keys.revoke(key_id, time.time())
    say(f"{key_id} ({record.label}) is revoked")


def _shown(record: KeyRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "label": record.label,
        "scopes": list(record.scopes),
        "routers": None if record.routers is None else list(record.routers),
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked_at": record.revoked_at,
    }

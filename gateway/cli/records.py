"""`records`: requests whose records the database refused: list, show, and write again."""

from typing import Annotated

import msgspec
import typer

from gateway.choice_records import read_choice
from gateway.cli.commands import new_group
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import moment, print_json, print_table, report
from storage.database.engine import Database
from storage.errors import RecordRefused
from storage.records import CompletionRecord
from storage.stores.refused import Refusal, RefusedRecords
from storage.writing.retrying import retry as write_again

app = new_group("records")

RequestId = Annotated[str, typer.Argument(metavar="ID", help="req_…, as `records list` shows it.")]


@app.command("list")
def list_all(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List the records that the database refused, the oldest first."""
    with opened(config, database_url) as database:
        refusals = RefusedRecords(database).all()
    if json:
        print_json([msgspec.to_builtins(each) for each in refusals])
        return
    rows = [(each.completion_id, each.router_id, moment(each.refused_at), each.reason) for each in refusals]
    print_table(("id", "router", "refused", "reason"), rows, "no record was refused")


@app.command("show")
def show(request_id: RequestId, config: Config = None, database_url: DatabaseUrl = None, _json: Json = True) -> None:
    """Show a refused record, as JSON in any case, prompt and answer included if the router stores them."""
    with opened(config, database_url) as database:
        refusal, record = _existing(database, request_id)
    shown = msgspec.to_builtins(refusal)
    shown |= {
        "decision": msgspec.to_builtins(record.decision, builtin_types=(bytes,)),
        "attempts": [msgspec.to_builtins(attempt) for attempt in record.attempts],
        "outcome": msgspec.to_builtins(record.outcome),
    }
    try:
        shown["decision"]["choice"] = msgspec.to_builtins(read_choice(record.decision.choice))
    except msgspec.DecodeError:
        shown["decision"]["choice"] = None
    if record.content is not None:
        shown["request"] = record.content.request.decode(errors="replace")
        shown["answer"] = record.content.answer.decode(errors="replace")
    print_json(shown)


@app.command("retry")
def retry(
    request_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="req_…; all of them without one.")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Write refused records again, once the cause is gone. Running gateways follow within seconds."""
    written: list[str] = []
    refused: list[str] = []
    with opened(config, database_url) as database:
        ids = [request_id] if request_id else [each.completion_id for each in RefusedRecords(database).all()]
        for each in ids:
            try:
                write_again(database, each, _existing(database, each)[1])
                written.append(each)
            except RecordRefused as error:
                refused.append(f"{each}: {error}")
    told = f"{len(written):,} of {len(ids):,} records are written"
    report({"written": written, "refused": refused}, told, json=json)
    if refused:
        raise CommandError("\n".join(refused))


def _existing(database: Database, request_id: str) -> tuple[Refusal, CompletionRecord]:
    found = RefusedRecords(database).get(request_id)
    if found is None:
        raise CommandError(f"there is no refused record {request_id}; `bandit-gateway records list` shows all")
    return found

"""API keys: list, show, create, change, rotate, revoke. A secret is shown once and stored only as its hash."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from pydantic import BaseModel

from bandit.types import Epoch
from gateway.api_keys import SCOPES, new_key
from gateway.errors import BadRequest, Conflict, InsufficientScope, NotFound, RevisionConflict
from gateway.management.context import JsonFields, Management
from gateway.management.key_limits import LimitsView, UsageView, limits_view, read_limits, usage_view
from gateway.management.problems import bad_fields
from gateway.settings.table_reader import Fields, Problem, one_of
from storage.records import NO_LIMITS, AuditRecord, KeyRecord
from storage.stores.key_usage import NOTHING_USED, KeyUsage, PresentUsage
from storage.stores.keys import Keys, LastAdminKey
from storage.stores.routers import Routers

LONGEST_LABEL = 200
KEY_TYPES = {"management": ("admin",), "routing": ("routing", "feedback")}
"""Scopes by another name for the usual kinds of keys."""
LATEST = 32_503_680_000.0
"""The year 3000: a later end is milliseconds taken for seconds."""
LONGEST_OVERLAP_SECONDS = 30 * 86_400.0
_TAGGED = {"label", "scopes", "routers", "expires_at", "limits", "revoked_at"}


class ApiKeyView(BaseModel):
    """An API key without its secret; `secret` is set only in the answer to its creation."""

    id: str
    object: str = "api_key"
    label: str
    prefix: str | None
    scopes: list[str]
    key_type: str
    routers: list[str] | None
    limits: LimitsView
    usage: UsageView
    created_at: float
    created_by: str | None
    last_used_at: float | None
    expires_at: float | None
    revoked_at: float | None
    secret: str | None = None

    @property
    def tag(self) -> str:
        """Names this state of the key: what can be changed of it, and whether it is revoked."""
        return sha256(self.model_dump_json(include=_TAGGED).encode()).hexdigest()[:16]


def list_api_keys(management: Management) -> list[ApiKeyView]:
    """All keys that the actor may see, the oldest first; revoked and expired ones too."""
    return _views(management, Keys(management.database).all(), None)


def page_of_api_keys(management: Management, limit: int, cursor: str | None) -> tuple[list[ApiKeyView], str | None]:
    """A page of them, shorter if some may not be seen, and the cursor of the next one. Raises InvalidCursor."""
    records, following = Keys(management.database).page(limit, cursor)
    return _views(management, records, [record.id for record in records]), following


def _views(management: Management, records: Iterable[KeyRecord], ids: Sequence[str] | None) -> list[ApiKeyView]:
    """Those that the actor may see, with their use. `ids` None: it is read of all keys at once."""
    used = KeyUsage(management.database).now(Epoch(management.now), ids)
    last_used = Keys(management.database).last_used(ids)
    return [
        _shown(record, used.get(record.id, NOTHING_USED), last_used.get(record.id))
        for record in records
        if _sees(management, record.routers)
    ]


def list_key_labels(management: Management) -> list[tuple[str, str]]:
    """Id and label of all keys that the actor may see, the oldest first."""
    labels = Keys(management.database).labels()
    return [(key_id, label) for key_id, label, router_ids in labels if _sees(management, router_ids)]


def last_uses(management: Management) -> dict[str, float]:
    """When each key was used last, by its id, of those that ever were."""
    return Keys(management.database).last_used()


def get_api_key(management: Management, key_id: str) -> ApiKeyView:
    """One key. Raises NotFound."""
    return _view(management, _existing(management, key_id))


def create_api_key(management: Management, fields: Mapping[str, object]) -> ApiKeyView:
    """Create a key from `label`, `scopes` or `key_type`, and, if wished, `routers`, `expires_at` and `limits`.

    Raises BadRequest with every mistake, InsufficientScope.
    """
    values = _read(management, fields, None)
    secret, record = new_key(
        values.label,
        values.scopes,
        values.routers,
        values.expires_at,
        now=management.now,
        created_by=management.actor.key_id,
        limits=values.limits,
    )
    change = management.change("api_key.create", record.id, {}, _audited(record))
    if not management.dry_run:
        Keys(management.database).add(record, change)
    return _view(management, record, None if management.dry_run else secret)


def change_api_key(
    management: Management,
    key_id: str,
    fields: Mapping[str, object],
    *,
    expected: str | None = None,
    reverts: AuditRecord | None = None,
) -> ApiKeyView:
    """Change `label`, `scopes`, `routers`, `expires_at` or `limits`. `reverts` is the change that this one takes back.

    `expected` is the tag that was read; None: any. Raises NotFound, BadRequest, InsufficientScope, Conflict,
    RevisionConflict.
    """
    former = _expected(management, key_id, expected)
    changed = _read(management, fields, former)
    change = management.change("api_key.update", key_id, _audited(former), _audited(changed), reverts)
    if not management.dry_run and changed != former:
        try:
            replaced = Keys(management.database).replace(changed, change, former=former)
        except LastAdminKey:
            raise _last_admin_key(key_id) from None
        if not replaced:
            raise Conflict(f"key {key_id} was changed at the same time: read it again, then change it")
    return _view(management, changed)


def rotate_api_key(management: Management, key_id: str, overlap_seconds: float) -> ApiKeyView:
    """Create a key like this one, which itself ends after `overlap_seconds`. Raises NotFound, BadRequest, Conflict."""
    former = _existing(management, key_id)
    if former.revoked_at is not None or (former.expires_at or management.now + 1.0) <= management.now:
        raise Conflict(f"key {key_id} has ended: create another one", should_retry=False)
    if not 0.0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
        raise BadRequest(f"`overlap_seconds` must be from 0 to {LONGEST_OVERLAP_SECONDS:,.0f}", param="overlap_seconds")
    secret, record = new_key(
        former.label,
        former.scopes,
        former.routers,
        former.expires_at,
        now=management.now,
        created_by=management.actor.key_id,
        limits=former.limits,
    )
    ends_at = management.now + overlap_seconds
    ending = replace(former, expires_at=ends_at if former.expires_at is None else min(ends_at, former.expires_at))
    change = management.change("api_key.rotate", key_id, _audited(former), {**_audited(ending), "successor": record.id})
    if not management.dry_run and not Keys(management.database).replace(ending, change, former=former, added=record):
        raise Conflict(f"key {key_id} was changed at the same time: read it again, then rotate it")
    return _view(management, record, None if management.dry_run else secret)


def revoke_api_key(management: Management, key_id: str, *, expected: str | None = None) -> ApiKeyView:
    """Revoke a key for good; one that was revoked stays as it is. `expected` is the tag that was read; None: any.

    Raises NotFound, RevisionConflict, Conflict for the last admin key.
    """
    former = _expected(management, key_id, expected)
    if former.revoked_at is not None:
        return _view(management, former)
    revoked = replace(former, revoked_at=management.now)
    change = management.change("api_key.revoke", key_id, _audited(former), _audited(revoked))
    if not management.dry_run:
        try:
            Keys(management.database).revoke(key_id, management.now, change, keep_admin=True)
        except LastAdminKey:
            raise _last_admin_key(key_id) from None
    return _view(management, revoked)


def _last_admin_key(key_id: str) -> Conflict:
    return Conflict(
        f"key {key_id} is the last live one with the scope `admin` for all routers: create another one first",
        code="last_admin_key",
        should_retry=False,
    )


def _existing(management: Management, key_id: str) -> KeyRecord:
    record = Keys(management.database).get(key_id)
    if record is None or not _sees(management, record.routers):
        raise NotFound(f"there is no key {key_id[:80]}; `keys list` shows all", code="api_key_not_found")
    return record


def _expected(management: Management, key_id: str, tag: str | None) -> KeyRecord:
    """The key as it was read with this tag; None: as it is. Raises NotFound, RevisionConflict."""
    record = _existing(management, key_id)
    if tag is not None and tag != _shown(record, NOTHING_USED, None).tag:
        raise RevisionConflict(f"key {key_id} has changed since it was read: read it again, then change it")
    return record


def _sees(management: Management, router_ids: Sequence[str] | None) -> bool:
    """Whether the actor may see a key of these routers: one of some routers sees keys of these alone."""
    return management.router_ids is None or (router_ids is not None and all(map(management.sees, router_ids)))


def _read(management: Management, values: Mapping[str, object], former: KeyRecord | None) -> KeyRecord:
    """The key that `former` becomes, or a new one without id and hash. Raises BadRequest, InsufficientScope."""
    problems: list[Problem] = []
    fields = Fields(values, problems)
    label = fields.text(
        "label",
        former.label if former else "",
        pattern=rf"(?s).{{0,{LONGEST_LABEL - 1}}}\S",
        right=f"1 to {LONGEST_LABEL} characters that say what the key is for",
    )
    if former is None and "label" not in values:
        fields.blame("label", "must say what the key is for")
    key_type = fields.choice("key_type", None, KEY_TYPES)
    scopes = fields.texts("scopes", former.scopes if former else ())
    if key_type is not None:
        if "scopes" in values:
            fields.blame("key_type", "says the same as scopes: give one of them")
        scopes = KEY_TYPES[key_type]
    for scope in scopes:
        if scope not in SCOPES:
            fields.blame("scopes", f"must be of {one_of(SCOPES)}, not {scope[:40]!r}")
    if not scopes and not any(problem.path in {("scopes",), ("key_type",)} for problem in problems):
        fields.blame("scopes", f"must name at least one of {one_of(SCOPES)}")
    routers = fields.texts("routers", None)
    routers = former.routers if former and "routers" not in values else routers
    if "routers" in values and routers == ():
        fields.blame("routers", "must name a router, or be null for all")
    if "routers" in values:
        _check_routers(management, fields, routers or ())
    expires_at = fields.number("expires_at", None, low=management.now, high=LATEST, above=True)
    expires_at = former.expires_at if former and "expires_at" not in values else expires_at
    limits = read_limits(management, fields, former.limits if former else NO_LIMITS)
    fields.close()
    if problems:
        raise bad_fields(problems)
    if management.router_ids is not None and (routers is None or not all(map(management.sees, routers))):
        raise InsufficientScope("an API key of some routers makes keys of these alone", should_retry=False)
    empty = KeyRecord("", "", label, tuple(scopes), routers, management.now)
    return replace(
        former or empty, label=label, scopes=tuple(scopes), routers=routers, expires_at=expires_at, limits=limits
    )


def _check_routers(management: Management, fields: Fields, router_ids: Iterable[str]) -> None:
    """Blame the routers that neither the database has nor the configuration file declares."""
    known = {record.id for record in Routers(management.database).all()} | set(management.declared_routers)
    for router_id in router_ids:
        if router_id not in known:
            there = ", ".join(sorted(known)) or "none"
            fields.blame("routers", f"there is no router {router_id[:80]}; there are {there}")


def _audited(record: KeyRecord) -> JsonFields:
    """What the audit trail keeps of a key: never its hash."""
    return {
        "label": record.label,
        "scopes": list(record.scopes),
        "routers": None if record.routers is None else list(record.routers),
        "expires_at": record.expires_at,
        "limits": limits_view(record.limits).model_dump(),
        "revoked_at": record.revoked_at,
    }


def _view(management: Management, record: KeyRecord, secret: str | None = None) -> ApiKeyView:
    used = KeyUsage(management.database).now(Epoch(management.now), [record.id]).get(record.id, NOTHING_USED)
    return _shown(record, used, Keys(management.database).last_used([record.id]).get(record.id), secret)


def _shown(record: KeyRecord, used: PresentUsage, last_used_at: float | None, secret: str | None = None) -> ApiKeyView:
    return ApiKeyView(
        id=record.id,
        label=record.label,
        prefix=record.prefix,
        scopes=list(record.scopes),
        key_type="management" if "admin" in record.scopes else "routing",
        routers=None if record.routers is None else list(record.routers),
        limits=limits_view(record.limits),
        usage=usage_view(used),
        created_at=record.created_at,
        created_by=record.created_by,
        last_used_at=last_used_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        secret=secret,
    )

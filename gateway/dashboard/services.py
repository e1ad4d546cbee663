"""The collaborators that the dashboard's pages get by name, beside those of all routes."""

from dataclasses import dataclass

from gateway.dashboard.events import Events
from gateway.dashboard.refreshes import Refreshes
from gateway.dashboard.session import Sessions


@dataclass(frozen=True, slots=True)
class PageServices:
    """The collaborators of the pages; made when the gateway starts."""

    sessions: Sessions
    events: Events
    refreshes: Refreshes

"""The dashboard: pages in the browser over the same calls as the management API."""

from gateway.dashboard.lost import add_to as add_to

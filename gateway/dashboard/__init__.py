"""The dashboard: pages in the browser over the same calls as the management API."""

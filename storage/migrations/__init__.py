"""Alembic's migrations of the ledger, run by `storage.schema`."""

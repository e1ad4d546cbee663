"""Alembic's migrations of the ledger, run by `storage.database.schema`."""

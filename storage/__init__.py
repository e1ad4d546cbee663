"""The ledger: everything that is recorded, through SQLAlchemy."""

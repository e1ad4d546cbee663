"""The ledger: requests, scores and statistics in SQLite or PostgreSQL, through SQLAlchemy."""

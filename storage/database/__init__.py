"""How SQL is spoken: engines, SQLite and PostgreSQL, schema and watchdog."""

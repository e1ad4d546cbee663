"""Access to the database: engines of SQLite and PostgreSQL, bulk statements, schema and watchdog."""

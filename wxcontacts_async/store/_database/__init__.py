"""The database: its connection and thread, its tables, and what SQLite and PostgreSQL differ in."""

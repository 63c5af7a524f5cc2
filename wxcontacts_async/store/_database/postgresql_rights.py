"""Finds which rights a role of PostgreSQL lacks, as the server's own errors do not say."""

from collections.abc import Callable, Mapping
from typing import Any

_READS = ("contact_changes", "contacts", "instances", "missing_contacts", "wxcontacts_schema")
READ_RIGHTS: Mapping[str, tuple[str, ...]] = dict.fromkeys(_READS, ("SELECT",))
WRITE_RIGHTS: Mapping[str, tuple[str, ...]] = {
    "contact_changes": ("SELECT", "INSERT"),
    "contact_fingerprints": ("SELECT", "INSERT", "UPDATE"),
    "contacts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "instances": ("SELECT", "INSERT", "UPDATE"),
    "missing_contacts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "wxcontacts_schema": ("SELECT",),
}

_ROLE = "SELECT quote_ident(current_user)"
_ON_TABLES = """
    SELECT needed.privilege || ' ON ' || needed.relation
    FROM (VALUES {}) needed (relation, privilege)
    JOIN pg_class ON relname = needed.relation AND pg_table_is_visible(pg_class.oid)
    WHERE NOT has_table_privilege(pg_class.oid, needed.privilege)
    ORDER BY needed.relation, needed.privilege"""
# For temporary tables, and for the store's if there are none.
_TO_MAKE_TABLES = """
    SELECT 'TEMPORARY ON DATABASE ' || quote_ident(current_database())
    WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
    UNION ALL
    SELECT 'CREATE ON SCHEMA ' || coalesce(quote_ident(current_schema()),
        'any of ' || current_setting('search_path'))
    WHERE (current_schema() IS NULL OR NOT has_schema_privilege(current_schema(), 'CREATE'))
        AND NOT EXISTS (
            SELECT FROM pg_class WHERE relname = 'wxcontacts_schema' AND pg_table_is_visible(oid)
        )"""


def missing_rights(ask: Callable[[str], list[tuple[Any, ...]]], *, writes: bool) -> str:
    """Return a sentence of the rights that the role lacks to read, or to write; "" if none."""
    needed = _values(WRITE_RIGHTS if writes else READ_RIGHTS)
    lacking = ask(_ON_TABLES.format(needed)) + (ask(_TO_MAKE_TABLES) if writes else [])
    if not lacking:
        return ""
    ((role,),) = ask(_ROLE)
    return f"the role {role} lacks {', '.join(right for (right,) in lacking)}"


def _values(rights: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(
        f"('{relation}', '{privilege}')"
        for relation, privileges in rights.items()
        for privilege in privileges
    )

"""Makes the tables, and brings those of older versions up to date."""

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.migrations import MIGRATIONS, VERSION
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store.errors import StoreError, StoreVersionError

_OWN_DATABASE = "Give the store a database, or a schema, without other tables of its names."


def prepare(connection: Connection) -> None:
    """Make the tables or bring them up to date, as far as the connection was opened for that.

    If they are up to date, nothing is written. Raise StoreVersionError if they are of a version
    that cannot be brought up to date, and StoreError if there are none and they cannot be made.
    """
    with connection.snapshot():
        connection.dialect.check_encoding(connection)
        version = _version(connection)
    if version == VERSION:
        return
    if not version and connection.opening is not Opening.MAKE:
        what = "it has no tables of this library, and is left as it is"
        raise StoreError(what, advice="Check the URL, or sync into it first.")
    if version and (unwritable := connection.unwritable()):
        what = (
            f"the database has tables of version {version}, which is older than {VERSION}; "
            f"{unwritable.what}"
        )
        raise StoreVersionError(what, advice="Sync into it, which brings them up to date.")
    with connection.transaction():
        # Asked again, as another process may have migrated meanwhile.
        _migrate(connection, _version(connection))


def _version(connection: Connection) -> int:
    if not connection.rows(connection.dialect.count_tables.format("wxcontacts_schema"))[0][0]:
        return 0
    try:
        found = connection.rows("SELECT wxcontacts_schema.version FROM wxcontacts_schema LIMIT 2")
    except StoreError as error:
        _blame_others(error)
        raise
    if len(found) != 1 or not isinstance(found[0][0], int) or found[0][0] < 1:
        what = "the table wxcontacts_schema does not say which version the tables are of"
        raise StoreError(what, advice=_OWN_DATABASE)
    version: int = found[0][0]
    if version > VERSION:
        what = f"the database has tables of version {version}; this library knows {VERSION}"
        raise StoreVersionError(what)
    return version


def _migrate(connection: Connection, version: int) -> None:
    if version == VERSION:
        return
    made = (
        "CREATE TABLE wxcontacts_schema (version BIGINT NOT NULL)",
        "INSERT INTO wxcontacts_schema VALUES (0)",
    )
    known = (f"UPDATE wxcontacts_schema SET version = {VERSION}",)
    try:
        for statements in (*(() if version else (made,)), *MIGRATIONS[version:], known):
            for statement in map(connection.dialect.fill_in, statements):
                if statement:
                    connection.execute(statement)
    except StoreError as error:
        _blame_others(error)
        raise


def _blame_others(error: StoreError) -> None:
    """Advise what to do about tables of other programs, unless it is plain what is wrong."""
    if type(error) is StoreError:
        error.advice = _OWN_DATABASE

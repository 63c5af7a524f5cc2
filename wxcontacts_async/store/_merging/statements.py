"""The SQL of a merge; what stands in braces is a small temporary table, see `Connection.stage`."""

from dataclasses import dataclass

from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.temporary_tables import TEMPORARY_TABLES
from wxcontacts_async.store._tabular.columns import VERSION_FIELDS

_OUTCOME_COLUMNS = TEMPORARY_TABLES["outcomes"].names
_OF_CONTACTS = {"digest", "reply_digest", "official_accounts", "friends", "groups"}

# What the last set of an instance lacked: none, all, some that are held, or it is unknown which, as
# an older version of this library stored it.
_LACKED = """
    CASE WHEN suspected_at IS NULL THEN 'none' WHEN suspected_digest IS NOT NULL THEN 'unknown'
        WHEN suspected_since IS NULL THEN 'all' ELSE 'some' END"""

REPLY_DIGESTS = """
    SELECT w_id, reply_digest, digest FROM instances
    WHERE reply_digest IS NOT NULL AND w_id IN ({})"""

HELD = """
    SELECT w_id, user_name, CAST(since AS TEXT), accepted FROM missing_contacts
    WHERE w_id IN (SELECT w_id FROM {asked})"""

FORGET_HELD = "DELETE FROM missing_contacts WHERE w_id IN (SELECT w_id FROM {asked})"

# One by one, which takes a fifth less than grouping all of them.
COUNT_STORED = """
    SELECT w_id, (SELECT count(*) FROM contacts WHERE contacts.w_id = asked.w_id)
    FROM (SELECT w_id FROM {asked}) asked"""

# None that are older than the contacts, as an older version of this library leaves them.
FINGERPRINTS = """
    SELECT kept.w_id, kept.contacts FROM contact_fingerprints kept
    JOIN instances ON instances.w_id = kept.w_id AND instances.digest = kept.digest
    WHERE kept.w_id IN (SELECT w_id FROM {asked})"""

NAMES = """
    SELECT w_id, user_name, kind FROM contacts WHERE w_id IN (SELECT w_id FROM {asked})"""

KEEP_FINGERPRINTS = """
    INSERT INTO contact_fingerprints (w_id, digest, contacts)
    SELECT w_id, digest, contacts FROM {fingerprinted} WHERE true
    ON CONFLICT (w_id) DO UPDATE SET digest = excluded.digest, contacts = excluded.contacts"""

COUNT_LOGGED = """
    SELECT w_id, change, count(*) FROM contact_changes WHERE id > $1 GROUP BY w_id, change"""

DELETE_DEPARTED = """
    DELETE FROM contacts WHERE (w_id, user_name) IN (SELECT w_id, user_name FROM departing)"""

_NAMES = ", ".join(("w_id", "user_name", *VERSION_FIELDS))


@dataclass(frozen=True)
class Fields:
    """The fields of contacts that statements are about, beside the document's.

    Attributes:
        own: Those that arriving contacts have.
        are_kept: Whether the database has any, perhaps others.

    """

    own: tuple[str, ...] = ()
    are_kept: bool = False


def _differ(arrived: str, stored: str, fields: Fields, dialect: Dialect) -> str:
    return " OR ".join(
        [
            *(f"{arrived}.{name} IS DISTINCT FROM {stored}.{name}" for name in VERSION_FIELDS),
            *(_own_differs(name, arrived, stored, dialect) for name in fields.own),
        ]
    )


def _own_differs(name: str, arrived: str, stored: str, dialect: Dialect) -> str:
    """Tell whether an own field differs; one that is not there yet does not."""
    is_there = f"({stored}.more -> '{name}') IS NOT NULL"
    return f"({is_there} AND {_own_is_to_be_set(name, arrived, stored, dialect)})"


def _own_is_to_be_set(name: str, arrived: str, stored: str, dialect: Dialect) -> str:
    new, old = (
        dialect.comparable_json.format(f"({table}.more -> '{name}')") for table in (arrived, stored)
    )
    return f"{new} IS DISTINCT FROM {old}"


def _differing(fields: Fields, dialect: Dialect) -> str:
    """Make a list of the names of the fields that differ."""
    differences = [
        *((name, f"a.{name} IS DISTINCT FROM c.{name}") for name in VERSION_FIELDS),
        *((name, _own_differs(name, "a", "c", dialect)) for name in fields.own),
    ]
    return " || ".join(
        f"CASE WHEN {differs} THEN '{name},' ELSE '' END" for name, differs in differences
    )


# What is known of an instance: when the last set was fetched (`suspected_at` is of the last one, as
# the next one clears it), when the last one that was not suspicious, what the last one lacked, how
# many contacts there are, of which revision and which reply, and how many of each kind.
def known(dialect: Dialect) -> str:
    """Read what is known of instances; what others change of them has to wait for the commit."""
    return f"""
        SELECT w_id, CAST(coalesce(suspected_at, synced_at) AS TEXT), CAST(synced_at AS TEXT),
            {_LACKED}, contacts, digest, reply_digest, official_accounts, friends, groups
        FROM instances WHERE w_id IN (SELECT w_id FROM {{asked}}){dialect.locking}"""


def hold(dialect: Dialect) -> str:
    """Store which contacts are held."""
    return f"""
        INSERT INTO missing_contacts (w_id, user_name, since, accepted)
        SELECT w_id, user_name, CAST(since AS {dialect.timestamp}), accepted FROM {{held}}"""


def held_since(dialect: Dialect) -> str:
    """Store since when contacts of an instance are held."""
    return f"""
        UPDATE instances SET suspected_since = CAST($1 AS {dialect.timestamp}) WHERE w_id = $2"""


def log_new(dialect: Dialect, fields: Fields) -> str:
    """Log the contacts of instances that had none."""
    return f"""
        INSERT INTO contact_changes (w_id, user_name, change, fields, after, at)
        SELECT w_id, user_name, 'added', '', {_object("contacts", dialect, fields)}, first_seen
        FROM contacts WHERE w_id IN (SELECT w_id FROM {{asked}})"""


def log_arrivals(dialect: Dialect, fields: Fields) -> str:
    """Log which contacts that arrived are new, and which differ from the stored ones."""
    more = "c.more"
    if fields.own:
        merged = _merged_more("c", "a", fields, dialect)
        more = f"CASE WHEN c.w_id IS NULL THEN a.more ELSE {merged} END"
    return f"""
        INSERT INTO contact_changes (w_id, user_name, change, fields, before, after, at)
        SELECT a.w_id, a.user_name,
            CASE WHEN c.w_id IS NULL THEN 'added' ELSE 'changed' END,
            CASE WHEN c.w_id IS NULL THEN '' ELSE rtrim({_differing(fields, dialect)}, ',') END,
            CASE WHEN c.w_id IS NULL THEN NULL ELSE {_object("c", dialect, fields)} END,
            {_object("a", dialect, fields, more)},
            CAST(a.at AS {dialect.timestamp})
        FROM arriving a LEFT JOIN contacts c ON c.w_id = a.w_id AND c.user_name = a.user_name
        WHERE c.w_id IS NULL OR {_differ("a", "c", fields, dialect)}"""


def log_departures(dialect: Dialect, fields: Fields) -> str:
    """Log which contacts are gone.

    SQLite does a cross join from left to right; with another join it may read all contacts.
    """
    return f"""
        INSERT INTO contact_changes (w_id, user_name, change, fields, before, at)
        SELECT c.w_id, c.user_name, 'removed', '', {_object("c", dialect, fields)},
            CAST(departing.at AS {dialect.timestamp})
        FROM departing CROSS JOIN contacts c
        WHERE c.w_id = departing.w_id AND c.user_name = departing.user_name"""


def log_all_departures(dialect: Dialect, fields: Fields) -> str:
    """Log that all contacts of an instance are gone."""
    return f"""
        INSERT INTO contact_changes (w_id, user_name, change, fields, before, at)
        SELECT c.w_id, c.user_name, 'removed', '', {_object("c", dialect, fields)},
            CAST($1 AS {dialect.timestamp})
        FROM contacts c WHERE c.w_id = $2 ORDER BY c.user_name"""


def upsert_contacts(dialect: Dialect, fields: Fields) -> str:
    """Store the contacts that arrived, if they are new or differ, and fill in own fields."""
    names, values = _NAMES, [f"{name} = excluded.{name}" for name in VERSION_FIELDS]
    differ = _differ("excluded", "contacts", fields, dialect)
    last_changed, to_be_set = "excluded.last_changed", differ
    if fields.own:
        names += ", more"
        values.append(f"more = {_merged_more('contacts', 'excluded', fields, dialect)}")
        last_changed = f"CASE WHEN {differ} THEN {last_changed} ELSE contacts.last_changed END"
        filled_in = (
            _own_is_to_be_set(name, "excluded", "contacts", dialect) for name in fields.own
        )
        to_be_set = " OR ".join([differ, *filled_in])
    return f"""
        INSERT INTO contacts ({names}, first_seen, last_changed)
        SELECT {names}, CAST(at AS {dialect.timestamp}), CAST(at AS {dialect.timestamp})
        FROM arriving
        WHERE true ON CONFLICT (w_id, user_name) DO UPDATE
        SET {", ".join(values)}, last_changed = {last_changed}
        WHERE {to_be_set}"""


def _merged_more(stored: str, arrived: str, fields: Fields, dialect: Dialect) -> str:
    """Make an object of the stored own fields, and of those that arrived in their place."""
    return dialect.merged_json(f"{stored}.more", f"{arrived}.more", fields.own)


def upsert_instances(dialect: Dialect) -> str:
    """Store how instances ended; a failure leaves what is known of their contacts."""
    names = ", ".join(_OUTCOME_COLUMNS)
    arrived = ", ".join(
        f"CAST({name} AS {dialect.timestamp})" if name.endswith(("_at", "_since")) else name
        for name in _OUTCOME_COLUMNS
    )
    taken = ", ".join(
        f"{name} = excluded.{name}" for name in ("gateway", "outcome", "tried_at", "calls")
    )
    kept = ", ".join(
        f"{name} = coalesce(excluded.{name}, instances.{name})"
        for name in ("synced_at", "contacts")
    )
    suspected = ", ".join(
        f"{name} = CASE WHEN excluded.contacts IS NULL THEN instances.{name} "
        f"ELSE excluded.{name} END"
        for name in _OUTCOME_COLUMNS
        if name.startswith("suspected_") or name in _OF_CONTACTS
    )
    return f"""
        INSERT INTO instances ({names}) SELECT {arrived} FROM {{outcomes}} WHERE true
        ON CONFLICT (w_id) DO UPDATE SET {taken}, {kept}, {suspected}
        WHERE excluded.contacts IS NOT NULL OR excluded.tried_at >= instances.tried_at"""


def _object(table: str, dialect: Dialect, fields: Fields, more: str = "") -> str:
    """Make a JSON object of a contact's values."""
    values = [f"'{name}', {table}.{name}" for name in VERSION_FIELDS]
    if fields.are_kept:
        values.append(f"'more', {dialect.as_json.format(more or f'{table}.more')}")
    return f"{dialect.json_object}({', '.join(values)})"

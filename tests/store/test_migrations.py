"""No migration ever changes: databases that it made are out there."""

from hashlib import sha256

import pytest

from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.migrations import MIGRATIONS
from wxcontacts_async.store._database.postgresql import POSTGRESQL
from wxcontacts_async.store._database.sqlite import SQLITE

# A new migration adds a line to each; a line that is here stays as it is.
HASHES = {
    "SQLite": (
        "1dc8c24cb236a3fd35e9f55c48c95c966493cd9323a2925824fe03613279f409",
        "7f3bfa06767f0241b2a4a69db7065561e9b466f2970d657832013f06c2bd0200",
        "109b10c10a9f305f7ecdeb762387eb396ccf5d07db891dcc1b9a4d5899252bcf",
        "b98271143bcc158670045c4761cd955a9ca7e41e725228a3cd3c96e9da39b7c5",
        "e39caa3bbc9a96aab68c3dc7739d6920835de63a989f6945aab53ed5a1faf31f",
        "dc3afce1562f2f1079827e25c4b7f528b4ed6ca72934cd8679c9197ddeebfa63",
        "89558a29209e2e4af4e539291259e9ecd54efd5aa7217f5911e3974b297bcdd2",
    ),
    "PostgreSQL": (
        "8ebb9bc9575b66526c2bed10cea534a42b44150f2ad9d04d274de8fa398e8964",
        "afbba4f9b18aa2b0e1f2118891a5b5058bb5c53fb1df1222161a1c71dcf5e603",
        "109b10c10a9f305f7ecdeb762387eb396ccf5d07db891dcc1b9a4d5899252bcf",
        "f5b26595efbd97ae0a26b9703142091ba404da9a48055b93ebd70ea3645d620e",
        "aa0f2d12050eae8f1629ed7fde26ca794a6728f6cb6b19da6a002d02c1655acc",
        "819c21b8c19f1a48afcbb82fb11381fc32e1d81895e5311e845ad290ce42bf3c",
        "f19a158bc934600398a3de9885fbc790acc95c021912eeb1838493f9197dd8dc",
    ),
}


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=lambda dialect: dialect.name)
def test_each_migration_is_what_it_was_when_it_was_written(dialect: Dialect) -> None:
    written = ("; ".join(dialect.fill_in(each) for each in entry) for entry in MIGRATIONS)
    assert tuple(sha256(text.encode()).hexdigest() for text in written) == HASHES[dialect.name]

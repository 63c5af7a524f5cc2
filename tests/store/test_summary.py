"""What a database is summed up to, beside what is counted from all that it holds."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from anyio.to_thread import run_sync

from tests.support.contact_lists import contacts_of
from tests.support.large_database import LargeDatabase
from tests.support.syncing import scene
from wxcontacts_async import Contact, ContactKind, ContactSet, InvalidArgumentError
from wxcontacts_async.store import ChangeKind, ContactStore, DeltaCounts

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

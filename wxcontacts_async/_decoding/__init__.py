"""From the bytes of a reply to contacts, a few milliseconds a tick."""

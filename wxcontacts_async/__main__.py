"""Lets the command be run as `python -m wxcontacts_async`."""

from wxcontacts_async.cli import main

if __name__ == "__main__":
    main()

"""The work of the subcommands, in the event loop."""

"""What the subcommands do, run in the event loop."""

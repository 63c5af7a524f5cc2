"""The subcommands: their options and messages."""

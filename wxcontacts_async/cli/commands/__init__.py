"""The subcommands: their options, and what they say."""

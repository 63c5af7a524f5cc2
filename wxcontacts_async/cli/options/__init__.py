"""Options and arguments as typed, and the files and databases that they name."""

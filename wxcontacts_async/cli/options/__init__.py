"""Options and arguments as they are typed, and the files and databases that they name."""

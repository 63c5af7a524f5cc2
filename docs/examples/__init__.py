"""The examples that the pages show; each runs as it stands against an emulator."""

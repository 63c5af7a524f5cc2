"""The process: its signals, its standard streams, and how it ends."""

"""The calls of one gateway: which instance is called when, and what follows."""

"""Merging: what a batch of fetched contact sets changes in the database."""

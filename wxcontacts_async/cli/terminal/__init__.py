"""What a user reads: progress, summaries and messages."""

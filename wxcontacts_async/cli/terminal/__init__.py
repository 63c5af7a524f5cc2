"""What people read: progress, summaries, and sentences about what went wrong."""

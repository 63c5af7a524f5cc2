"""The connections to one gateway: a call's way out, its reply's way in, and errors in our words."""

"""JSON that may be damaged, whatever it says."""

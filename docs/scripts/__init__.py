"""What keeps the documentation: marks of translations, and its pictures."""

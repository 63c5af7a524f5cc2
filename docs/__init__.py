"""The documentation: its pages, the examples that they show, and the scripts that keep them."""

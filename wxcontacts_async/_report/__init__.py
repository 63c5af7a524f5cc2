"""Makes a page of a database, for people who would rather look; needs the extra `report`.

Imports point down: page (HTML), charts (SVG), figures (what is counted), words (both languages).
"""

"""Everything that makes weights. Imports ``app.face``, never the reverse."""

"""Cleaning steps, one file each: `apply(rows, options) -> (kept, dropped with their reason)`."""

"""Provenance: from an answer back to what made it, and forward from any origin."""

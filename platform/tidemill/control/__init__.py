"""The control plane: the loops that bring services to where Git and the ledger say, and ingest."""

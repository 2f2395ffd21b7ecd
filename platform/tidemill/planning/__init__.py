"""What a change of the specs would do: both sides read, compared, and put beside the ledger."""

"""Cards: a README.md with the Hugging Face hub's metadata, for a release and for a dataset."""

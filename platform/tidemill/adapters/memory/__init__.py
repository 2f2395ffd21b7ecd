"""In-memory twins of the bus and the deployer, for tests and for users' tests."""

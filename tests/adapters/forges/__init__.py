"""Real Git remotes, and servers on loopback that behave as the published APIs do."""

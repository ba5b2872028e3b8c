"""Real servers for tests and the demo: private, on loopback, stopped when their user ends."""

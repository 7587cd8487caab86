"""`invoke stress`: an application's load, every acknowledged write accounted for."""

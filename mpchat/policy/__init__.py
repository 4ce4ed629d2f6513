"""Decisions about processes and load, as pure functions of what is known."""

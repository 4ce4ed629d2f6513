"""The domain: names, sessions, channels, and the recipients of each event. Pure: it knows no dialect and no process."""

"""What the chat is: names, sessions, channels, and who hears whom. Pure: it knows no wire and no process."""

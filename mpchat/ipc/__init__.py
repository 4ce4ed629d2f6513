"""Inter-process communication: queues, links that pass descriptors, the scoreboard. Nothing here knows the chat."""

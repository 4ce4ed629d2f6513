"""How two processes touch: queues, passed file descriptors, signals, a shared status board. It knows no chat."""

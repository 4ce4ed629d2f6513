"""The bare shape: one worker and one broker with a pair of queues between them, and no chat at all.

It is what processes, queues and sockets alone cost on this machine at this hour, so that the server can be compared
with something in the same run. It knows no names, no rights, no limits, loses everything when it dies, and trusts
everybody: anything that is not needed to bring a line to all has been left out.
"""

import argparse
import os
import queue
import select
import signal
import socket
import sys
from itertools import groupby
from multiprocessing import get_context
from typing import Any


def broker(up: Any, down: Any) -> None:
    """Each line of a batch becomes an item: for everybody (0), or an answer for one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nicks: dict[int, bytes] = {}
    while True:
        items = []
        for client, line in up.get():
            command, _, rest = line.partition(b" ")
            if command == b"PRIVMSG":
                items.append((0, b":%s!~%s@127.0.0.1 PRIVMSG %s\r\n" % (nicks[client], nicks[client], rest)))
            elif command == b"NICK":
                nicks[client] = rest
                items.append((client, b":mpchat.local 422 %s :No message of the day\r\n" % rest))  # the greeting's end
            elif command == b"JOIN":
                items.append((client, b":bare 366 * %s :End\r\n" % rest))
            elif command == b"PING":
                items.append((client, b":mpchat.local PONG mpchat.local %s\r\n" % rest))
        if items:
            down.put(items)


def worker(listener: socket.socket, up: Any, down: Any) -> None:
    """Accepts, cuts lines, forwards a batch a turn; appends what comes back to outboxes, and sends once a turn."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    poller.register(down._reader, select.EPOLLIN)
    socks: dict[int, socket.socket] = {}
    pieces: dict[int, bytes] = {}
    outboxes: dict[int, list[bytes]] = {}
    while True:
        batch = []
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                socks[sock.fileno()], pieces[sock.fileno()], outboxes[sock.fileno()] = sock, b"", []
                poller.register(sock, select.EPOLLIN)
            elif fd == down._reader.fileno():
                try:
                    items = down.get_nowait()
                except queue.Empty:
                    continue
                for is_for_all, run in groupby(items, key=lambda item: not item[0]):
                    if is_for_all:  # joined once, not once for each client
                        joined = b"".join([data for _, data in run])
                        for outbox in outboxes.values():
                            outbox.append(joined)
                    else:
                        for client, data in run:
                            outboxes[client].append(data)
            else:
                data = socks[fd].recv(65536)
                if not data:
                    poller.unregister(fd)
                    socks.pop(fd).close()
                    del outboxes[fd]
                    continue
                *lines, pieces[fd] = (pieces[fd] + data).split(b"\r\n")
                batch += [(fd, line) for line in lines]
        if batch:
            up.put(batch)
        for fd, outbox in outboxes.items():
            if outbox:
                socks[fd].send(outbox[0] if len(outbox) == 1 else b"".join(outbox))  # blocking: nobody here is slow
                outbox.clear()


def main() -> None:
    about = "Processes, queues and sockets without a chat, for scripts/bench. Says where it listens; SIGTERM ends it."
    argparse.ArgumentParser(description=about).parse_args()
    context = get_context("spawn")
    up, down = context.Queue(), context.Queue()
    # Not before: the first queue starts multiprocessing's resource_tracker, and that lets SIGTERM go again.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        processes = {
            "broker": context.Process(target=broker, args=(up, down), daemon=True),
            "worker0": context.Process(target=worker, args=(listener, up, down), daemon=True),
        }
        for process in processes.values():
            process.start()
        host, port = listener.getsockname()
        roles = " ".join(f"{role}={process.pid}" for role, process in processes.items())
        print(f"mpchat ready: irc {host}:{port}, bare {roles}, pid {os.getpid()}", flush=True)
    signal.sigwait({signal.SIGTERM})
    for process in processes.values():
        process.kill()
    sys.exit(0)


if __name__ == "__main__":
    main()

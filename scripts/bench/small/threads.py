"""A chat server of threads and a dict: the one that is written first. It trusts its clients, and keeps nothing."""

import argparse
import socket
import threading

nicks: dict[str, socket.socket] = {}
rooms: dict[str, dict[str, socket.socket]] = {}
lock = threading.Lock()  # without it, the members of a room would read its messages in different orders


def serve(sock: socket.socket, host: str) -> None:
    """One client, in a thread of its own, until it leaves."""
    nick = ""
    with sock, sock.makefile("rb") as lines:
        try:
            for line in lines:
                command, _, rest = line.decode().rstrip().partition(" ")
                if command == "NICK":
                    nick = rest
                    nicks[nick] = sock
                elif command == "USER":
                    sock.sendall(f":small 422 {nick} :No message of the day\r\n".encode())
                elif command == "JOIN":
                    with lock:
                        rooms.setdefault(rest, {})[nick] = sock
                        for member in rooms[rest].values():
                            member.sendall(f":{nick}!~{nick}@{host} JOIN {rest}\r\n".encode())
                elif command == "PRIVMSG":
                    target, _, _ = rest.partition(" ")
                    data = f":{nick}!~{nick}@{host} PRIVMSG {rest}\r\n".encode()
                    with lock:
                        for name, member in rooms[target].items() if target in rooms else [(target, nicks[target])]:
                            if name != nick:
                                member.sendall(data)
                elif command == "PING":
                    sock.sendall(f":small PONG small {rest}\r\n".encode())
        except OSError:
            pass  # it has left without a word
    with lock:
        nicks.pop(nick, None)
        for members in rooms.values():
            members.pop(nick, None)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print("ready: irc {}:{}".format(*listener.getsockname()), flush=True)
        while True:
            sock, (host, _) = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(sock, host), daemon=True).start()


if __name__ == "__main__":
    main()

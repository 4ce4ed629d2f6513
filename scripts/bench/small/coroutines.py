"""A chat server of asyncio's streams and a dict. It trusts its clients, and keeps nothing."""

import argparse
import asyncio

nicks: dict[str, asyncio.StreamWriter] = {}
rooms: dict[str, dict[str, asyncio.StreamWriter]] = {}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One client, until it leaves. Nobody is waited for: what one does not read is kept."""
    nick, host = "", writer.get_extra_info("peername")[0]
    try:
        while line := await reader.readline():
            command, _, rest = line.decode().rstrip().partition(" ")
            if command == "NICK":
                nick = rest
                nicks[nick] = writer
            elif command == "USER":
                writer.write(f":small 422 {nick} :No message of the day\r\n".encode())
            elif command == "JOIN":
                rooms.setdefault(rest, {})[nick] = writer
                for member in rooms[rest].values():
                    member.write(f":{nick}!~{nick}@{host} JOIN {rest}\r\n".encode())
            elif command == "PRIVMSG":
                target, _, _ = rest.partition(" ")
                data = f":{nick}!~{nick}@{host} PRIVMSG {rest}\r\n".encode()
                for name, member in rooms[target].items() if target in rooms else [(target, nicks[target])]:
                    if name != nick:
                        member.write(data)
            elif command == "PING":
                writer.write(f":small PONG small {rest}\r\n".encode())
    except OSError:
        pass  # it has left without a word
    nicks.pop(nick, None)
    for members in rooms.values():
        members.pop(nick, None)
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print("ready: irc {}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(main())

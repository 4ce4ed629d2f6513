# en: Who is who: what /proc says of a process (proc(5)). `pid` is its number; all results are read anew at each call.
# es: Quién es quién: lo que /proc dice de un proceso (proc(5)). `pid` es su número; todo se lee en cada llamada.

import os


def inode(link):
    # en: 4711 of "pipe:[4711]" and of "socket:[4711]".
    # es: 4711 de "pipe:[4711]" y de "socket:[4711]".
    return int(link.partition("[")[2].rstrip("]"))


def links(pid):
    # en: Where each open descriptor leads: {number: text}, such as {0: "/dev/null", 3: "pipe:[4711]"}.
    # es: A dónde lleva cada descriptor abierto: {número: texto}, como {0: "/dev/null", 3: "pipe:[4711]"}.
    folder = f"/proc/{pid}/fd"
    return {int(name): os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}


def parent(pid):
    # en: TODO 1: the process id of its parent. /proc/PID/stat is one line: the pid, the name in parentheses, a letter
    # en: for the state, the parent's pid, and more. The name may be anything.
    # es: TODO 1: el número del proceso padre. /proc/PID/stat es una línea: el pid, el nombre entre paréntesis, una
    # es: letra para el estado, el pid del padre, y más. El nombre puede ser cualquiera.
    ### BEGIN SOLUTION
    with open(f"/proc/{pid}/stat") as file:
        behind_name = file.read().rpartition(")")[2]
    return int(behind_name.split()[1])
    ### END SOLUTION


def fds(pid):
    # en: TODO 2: {number: kind} for each of links(pid). The kinds:
    # en:   "pipe"       "epoll" (anon_inode:[eventpoll])       "memory" (/memfd:...)       "file": any other
    # en:   and of a socket "listening" or "tcp" if its inode stands in /proc/net/tcp, else "unix".
    # en: In /proc/net/tcp the first line is a heading. A socket that listens has the state 0A.
    # es: TODO 2: {número: tipo} para cada uno de links(pid). Los tipos:
    # es:   "pipe"       "epoll" (anon_inode:[eventpoll])       "memory" (/memfd:...)       "file": cualquier otro
    # es:   y de un socket "listening" o "tcp" si su inodo está en /proc/net/tcp, si no "unix".
    # es: En /proc/net/tcp la primera línea es un encabezado. Un socket que escucha tiene el estado 0A.
    ### BEGIN SOLUTION
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    states = {int(row[9]): row[3] for row in rows}
    found = {}
    for number, link in links(pid).items():
        if link.startswith("pipe:"):
            found[number] = "pipe"
        elif link.startswith("socket:"):
            state = states.get(inode(link))
            found[number] = {None: "unix", "0A": "listening"}.get(state, "tcp")
        elif link == "anon_inode:[eventpoll]":
            found[number] = "epoll"
        else:
            found[number] = "memory" if link.startswith("/memfd:") else "file"
    return found
    ### END SOLUTION


def shared_pipes(one, other):
    # en: TODO 3: the inodes of the pipes that both processes (their pids) hold, as a sorted list.
    # es: TODO 3: los inodos de las tuberías que ambos procesos (sus pids) tienen, como lista ordenada.
    ### BEGIN SOLUTION
    held = [{inode(link) for link in links(pid).values() if link.startswith("pipe:")} for pid in (one, other)]
    return sorted(held[0] & held[1])
    ### END SOLUTION


def queue_pipes(writer, reader):
    # en: TODO 4: a sorted list of those that the process `writer` can write, and `reader` can read.
    # en: /proc/PID/fdinfo/NUMBER has a line "flags:", in octal; its last digit is 0: reading, 1: writing, 2: both.
    # es: TODO 4: una lista ordenada de las que el proceso `writer` puede escribir, y `reader` puede leer.
    # es: /proc/PID/fdinfo/NUMERO tiene una línea "flags:", en octal; su última cifra es 0: leer, 1: escribir, 2: ambos.
    ### BEGIN SOLUTION
    found = []
    for pid, digits in ((writer, "12"), (reader, "02")):
        usable = set()
        for number, link in links(pid).items():
            with open(f"/proc/{pid}/fdinfo/{number}") as file:
                flags = file.read().partition("flags:")[2].split()[0]
            if link.startswith("pipe:") and flags[-1] in digits:
                usable.add(inode(link))
        found.append(usable)
    return sorted(found[0] & found[1])
    ### END SOLUTION

# en: An open socket goes from one process to another over a Unix socket (SCM_RIGHTS: unix(7), cmsg(3)).
# es: Un socket abierto va de un proceso a otro por un socket Unix (SCM_RIGHTS: unix(7), cmsg(3)).

import array
import os
import socket


def send_socket(link_fd, sock_fd):
    # en: TODO 1: send the socket with the number `sock_fd` over the Unix stream socket with the number `link_fd`, by
    # en: sendmsg(), with one byte of data. Both numbers stay open.
    # en: socket.socket(fileno=...) makes an object of a number; detach() undoes it.
    # es: TODO 1: envía el socket con el número `sock_fd` por el socket Unix (de flujo) con el número `link_fd`, por
    # es: sendmsg(), con un byte de datos. Ambos números quedan abiertos.
    # es: socket.socket(fileno=...) hace un objeto de un número; detach() lo deshace.
    ### BEGIN SOLUTION
    link = socket.socket(fileno=link_fd)
    try:
        rights = array.array("i", [sock_fd])
        link.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    finally:
        link.detach()
    ### END SOLUTION


def receive_socket(link_fd):
    # en: TODO 2: the number (an int) that the next socket has here that comes over the link, by recvmsg(). Each call
    # en: takes one. Raise EOFError when the link has ended. `link_fd` stays open.
    # es: TODO 2: el número (un int) que tiene aquí el siguiente socket que llega por el enlace, con recvmsg(). Cada
    # es: llamada toma uno. Lanza EOFError cuando el enlace ha terminado. `link_fd` queda abierto.
    ### BEGIN SOLUTION
    link = socket.socket(fileno=link_fd)
    try:
        data, ancillary, _, _ = link.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
    finally:
        link.detach()
    if not data:
        raise EOFError
    _, _, rights = ancillary[0]
    return array.array("i", rights)[0]
    ### END SOLUTION


def numbers(acceptor_pid, worker_pid, port, client_port):
    # en: TODO 3: a client has connected from its port `client_port` to the server's `port`, both on this machine.
    # en: Return a list of two: the number of the server's socket for it in the process `acceptor_pid`, and that in
    # en: `worker_pid`; None where it is not open. /proc/net/tcp has a row for each socket, with its inode in the tenth
    # en: column; in the second and third are its own and the remote address, and their ports in hexadecimal (proc(5)).
    # es: TODO 3: un cliente se conectó desde su puerto `client_port` al `port` del servidor, ambos en esta máquina.
    # es: Devuelve una lista de dos: el número del socket del servidor para él en el proceso `acceptor_pid`, y el que
    # es: tiene en `worker_pid`; None donde no está abierto. /proc/net/tcp tiene una fila por socket, con su inodo en la
    # es: décima columna; en la segunda y la tercera, su dirección y la remota, y sus puertos en hexadecimal (proc(5)).
    ### BEGIN SOLUTION
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    ports = [[int(row[column].split(":")[1], 16) for column in (1, 2)] for row in rows]
    inode = rows[ports.index([port, client_port])][9]
    found = []
    for pid in (acceptor_pid, worker_pid):
        number = None
        for name in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                number = int(name)
        found.append(number)
    return found
    ### END SOLUTION

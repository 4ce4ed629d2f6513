# en: Messages over a file descriptor that carries bytes: a pipe, a socket. In front of each message stands its length,
# en: as four bytes, the most significant one first (struct format "!I").
# es: Mensajes por un descriptor de archivo que lleva bytes: una tubería, un socket. Delante de cada mensaje va su
# es: longitud, en cuatro bytes, primero el más significativo (formato "!I" de struct).

import os
import struct

LENGTH = struct.Struct("!I")


def send(fd, message):
    # en: TODO 1: write the length and the message, all of it. os.write() returns how many bytes it has taken: that may
    # en: be fewer than you gave it, for instance when a signal has interrupted it.
    # es: TODO 1: escribe la longitud y el mensaje, completo. os.write() devuelve cuántos bytes aceptó: pueden ser menos
    # es: de los que le diste, por ejemplo si una señal lo interrumpió.
    ### BEGIN SOLUTION
    left = memoryview(LENGTH.pack(len(message)) + message)
    while left:
        written = os.write(fd, left)
        left = left[written:]
    ### END SOLUTION


def recv(fd):
    # en: TODO 2: return the next message; wait for all of it. Read no byte of the one behind it: nobody would get it.
    # en: None if the input ends before the first byte of a message; raise EOFError if it ends inside one.
    # es: TODO 2: devuelve el siguiente mensaje; espéralo completo. No leas ni un byte del que sigue: nadie lo vería.
    # es: None si la entrada termina antes del primer byte de un mensaje; lanza EOFError si termina dentro de uno.
    ### BEGIN SOLUTION
    head = read_up_to(fd, LENGTH.size)
    if not head:
        return None
    if len(head) < LENGTH.size:
        raise EOFError("the input ends inside a length")
    (length,) = LENGTH.unpack(head)
    message = read_up_to(fd, length)
    if len(message) < length:
        raise EOFError("the input ends inside a message")
    return message
    ### END SOLUTION


def read_up_to(fd, size):
    # en: TODO 3: return the next `size` bytes; fewer only if the input ends before. os.read() returns what there is,
    # en: which may be a part, and b"" at the end of the input: when all who could write have closed.
    # es: TODO 3: devuelve los siguientes `size` bytes; menos solo si la entrada termina antes. os.read() devuelve lo
    # es: que hay, que puede ser una parte, y b"" al final de la entrada: cuando todos los que podían escribir cerraron.
    ### BEGIN SOLUTION
    data = b""
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            break
        data += more
    return data
    ### END SOLUTION

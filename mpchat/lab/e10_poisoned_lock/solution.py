# en: A transport for the server: python -m mpchat server --ipc e10.py
# en: What each method must do is said in mpchat/ipc/transport.py. There is a pipe for each direction, and no lock.
# es: Un transporte para el servidor: python -m mpchat server --ipc e10.py
# es: Lo que debe hacer cada método está en mpchat/ipc/transport.py. Hay una tubería en cada sentido, y ningún candado.

import os
import pickle
import struct
from multiprocessing import reduction

from mpchat.ipc.frames import Progress, load
from mpchat.messages import BadFrame

# en: A frame is a head, the number of bytes of the pickle, and the pickle.
# es: Una trama es un encabezado, el número de bytes del pickle, y el pickle.
HEAD = struct.Struct("<I")
MOST = 64 << 20
READ_BYTES = 1 << 16


class Pair:
    def __init__(self, up, down):
        self.up_reader, self.up_writer = up
        self.down_reader, self.down_writer = down

    @classmethod
    def make(cls):
        return cls(os.pipe(), os.pipe())

    def fds(self):
        return self.up_reader, self.up_writer, self.down_reader, self.down_writer

    def __reduce__(self):
        return pair_of, tuple(reduction.DupFd(fd) for fd in self.fds())

    # en: TODO 1: a reader sees the end of file once nobody has the writing end open any more: no process at all.
    # en: Close what the worker, the broker, and the supervisor (let_go) must not keep open.
    # es: TODO 1: un lector ve el fin de archivo cuando ya nadie tiene abierto el extremo de escritura: ningún proceso.
    # es: Cierra lo que no deben mantener abierto el worker, el broker y el supervisor (let_go).
    def at_worker(self):
        ### BEGIN SOLUTION
        os.close(self.up_reader)
        os.close(self.down_writer)
        ### END SOLUTION
        return End(self.down_reader, self.up_writer)

    def at_broker(self):
        ### BEGIN SOLUTION
        os.close(self.down_reader)
        os.close(self.up_writer)
        ### END SOLUTION
        return End(self.up_reader, self.down_writer)

    def let_go(self):
        ### BEGIN SOLUTION
        for fd in self.fds():
            os.close(fd)
        ### END SOLUTION


def pair_of(*handles):
    # en: The pair in another process: multiprocessing has sent the descriptors along.
    # es: El par en otro proceso: multiprocessing envió también los descriptores.
    up_reader, up_writer, down_reader, down_writer = (
        handle if isinstance(handle, int) else handle.detach() for handle in handles
    )
    return Pair((up_reader, up_writer), (down_reader, down_writer))


class End:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        os.set_blocking(writer, False)
        # en: TODO 2: take() must never wait, not even in the middle of a frame.
        # es: TODO 2: take() no debe esperar nunca, ni siquiera en medio de una trama.
        ### BEGIN SOLUTION
        os.set_blocking(reader, False)
        ### END SOLUTION
        # en: What has come, and is no whole frame yet.
        # es: Lo que llegó, y todavía no es una trama entera.
        self.stream = bytearray()
        self.ended = False
        self.waiting = bytearray()
        self.taken = 0
        self.progress = Progress()

    def whole_frames(self):
        # en: TODO 3: take every whole frame off the front of self.stream, and return the messages: load() makes one of
        # en: a pickle. A length above MOST is no frame's: raise BadFrame.
        # es: TODO 3: saca del frente de self.stream toda trama entera, y devuelve los mensajes: load() hace uno de un
        # es: pickle. Una longitud mayor que MOST es imposible: lanza BadFrame.
        ### BEGIN SOLUTION
        messages = []
        while len(self.stream) >= HEAD.size:
            (length,) = HEAD.unpack_from(self.stream)
            if length > MOST:
                raise BadFrame("no frame is that long")
            end = HEAD.size + length
            if len(self.stream) < end:
                break
            messages.append(load(bytes(self.stream[HEAD.size : end])))
            del self.stream[:end]
        return messages
        ### END SOLUTION

    def take(self):
        # en: TODO 4: read what has come (at most READ_BYTES), and return the messages that are whole now.
        # en: Nothing has come: BlockingIOError from os.read(); return []. The end of file: os.read() returns b"": the
        # en: other side is dead, half a frame is lost with it; set self.ended. Set it at a BadFrame, too, and raise.
        # en: Count in self.taken what you return: look() sees by it whether the stream moves on.
        # es: TODO 4: lee lo que llegó (a lo sumo READ_BYTES), y devuelve los mensajes que ya están enteros.
        # es: No llegó nada: BlockingIOError de os.read(); devuelve []. El fin de archivo: os.read() devuelve b"": el
        # es: otro lado murió, y media trama se pierde con él; pon self.ended. Ponlo también ante BadFrame, y lánzala.
        # es: Cuenta en self.taken lo que devuelves: por él ve look() si el flujo avanza.
        ### BEGIN SOLUTION
        try:
            data = os.read(self.reader, READ_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self.stream.clear()
            self.ended = True
            return []
        self.stream += data
        try:
            messages = self.whole_frames()
        except BadFrame:
            self.ended = True
            raise
        self.taken += len(messages)
        return messages
        ### END SOLUTION

    def put(self, message):
        body = pickle.dumps(message)
        self.waiting += HEAD.pack(len(body)) + body
        self.flush()

    def flush(self):
        try:
            del self.waiting[: os.write(self.writer, self.waiting)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self.waiting.clear()

    @property
    def unsent(self):
        return bool(self.waiting)

    def look(self, most):
        self.progress.look(self.taken, bool(self.stream), most)

    def fileno(self):
        return self.reader

    def write_fileno(self):
        return self.writer

    def close(self):
        os.close(self.reader)
        os.close(self.writer)

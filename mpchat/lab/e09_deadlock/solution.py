# en: A transport for the server: python -m mpchat server --ipc e9.py
# en: What each method must do is said in mpchat/ipc/transport.py. One Unix socket carries both directions.
# es: Un transporte para el servidor: python -m mpchat server --ipc e9.py
# es: Lo que debe hacer cada método está en mpchat/ipc/transport.py. Un socket Unix lleva las dos direcciones.

import pickle
import select
import socket

from mpchat.ipc.frames import Progress, load
from mpchat.messages import BadFrame

READ_BYTES = 1 << 16
MOST_DIGITS = 8


class Pair:
    def __init__(self, worker, broker):
        self.worker = worker
        self.broker = broker

    @classmethod
    def make(cls):
        return cls(*socket.socketpair())

    def at_worker(self):
        self.broker.close()
        return End(self.worker)

    def at_broker(self):
        self.worker.close()
        return End(self.broker)

    def let_go(self):
        self.worker.close()
        self.broker.close()


class End:
    def __init__(self, sock):
        self.sock = sock
        # en: TODO 1: nothing here may ever wait for the socket; and something must hold what the kernel has not taken.
        # es: TODO 1: nada aquí debe esperar nunca por el socket; y algo debe guardar lo que el kernel no aceptó.
        ### BEGIN SOLUTION
        sock.setblocking(False)
        self.waiting = bytearray()
        ### END SOLUTION
        self.stream = bytearray()
        self.taken = 0
        self.progress = Progress()
        self.ended = False

    @staticmethod
    def frame(message):
        # en: TODO 2: return the bytes that stand for a message: how many bytes its pickle has, in decimal digits;
        # en: a colon; and its pickle (pickle.dumps). take() reads this.
        # es: TODO 2: devuelve los bytes que representan un mensaje: cuántos bytes tiene su pickle, en dígitos
        # es: decimales; dos puntos; y su pickle (pickle.dumps). Es lo que lee take().
        ### BEGIN SOLUTION
        body = pickle.dumps(message)
        return b"%d:" % len(body) + body
        ### END SOLUTION

    @property
    def unsent(self):
        # en: TODO 3: does something wait for room? (Then flush() is called when the socket is writable.)
        # es: TODO 3: ¿hay algo que espera lugar? (Entonces se llama a flush() cuando se puede escribir.)
        ### BEGIN SOLUTION
        return bool(self.waiting)
        ### END SOLUTION

    def put(self, message):
        # en: TODO 4: send the message's frame, as far as there is room, and keep the rest. Never wait.
        # en: If something waits already, this frame must come behind it.
        # es: TODO 4: envía la trama del mensaje, hasta donde haya lugar, y guarda el resto. Nunca esperes.
        # es: Si ya hay algo que espera, esta trama debe ir detrás.
        ### BEGIN SOLUTION
        self.waiting += self.frame(message)
        self.flush()
        ### END SOLUTION

    def flush(self):
        # en: TODO 5: send what waits, as far as there is room; send() says how many bytes the kernel has taken.
        # en: No room: BlockingIOError. The other side is gone: BrokenPipeError or ConnectionResetError; then nothing
        # en: must wait any more, and nothing is raised.
        # es: TODO 5: envía lo que espera, hasta donde haya lugar; send() dice cuántos bytes aceptó el kernel.
        # es: Sin lugar: BlockingIOError. El otro lado ya no está: BrokenPipeError o ConnectionResetError; entonces
        # es: ya no debe esperar nada, y no se lanza nada.
        ### BEGIN SOLUTION
        try:
            sent = self.sock.send(self.waiting)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self.waiting.clear()
            return
        del self.waiting[:sent]
        ### END SOLUTION

    def take(self):
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.stream += data
        messages = []
        while self.stream:
            digits, colon, _ = bytes(self.stream[: MOST_DIGITS + 1]).partition(b":")
            if not digits.isdigit() or len(digits) > MOST_DIGITS:
                self.ended = True
                raise BadFrame("a frame begins with its length")
            start = len(digits) + 1
            end = start + int(digits)
            if not colon or len(self.stream) < end:
                break
            messages.append(load(bytes(self.stream[start:end])))
            del self.stream[:end]
        self.taken += len(messages)
        return messages

    def look(self, most):
        self.progress.look(self.taken, bool(self.stream), most)

    def fileno(self):
        return self.sock.fileno()

    def write_fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()


# en: The check calls these two.
# es: La comprobación llama a estas dos.
def end_of(fd):
    return End(socket.socket(fileno=fd))


def converse(end, messages, count):
    # en: Puts everything before it reads, until `count` messages have come and nothing waits for room.
    # es: Pone todo antes de leer, hasta que llegaron `count` mensajes y nada espera lugar.
    for message in messages:
        end.put(message)
    taken = []
    while (len(taken) < count or end.unsent) and not end.ended:
        events = select.POLLIN | (select.POLLOUT if end.unsent else 0)
        poller = select.poll()
        poller.register(end.fileno(), events)
        poller.poll()
        if end.unsent:
            end.flush()
        taken += end.take()
    return taken

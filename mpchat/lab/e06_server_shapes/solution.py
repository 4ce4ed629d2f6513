# en: A server with one thread that waits for many clients: what one says, all hear, the one who said it too.
# es: Un servidor con un solo hilo que espera a muchos clientes: lo que uno dice lo oyen todos, también quien lo dijo.

import selectors
import socket

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.unread = b""  # input: the beginning of a line whose end has not come
        self.unsent = b""  # output: what send() has not taken


class Server:
    def __init__(self, listener):
        listener.setblocking(False)
        self.listener = listener
        self.clients = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, READ)

    def run(self):
        while True:
            for key, events in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                    continue
                client = key.data
                if events & READ and client in self.clients:
                    self.receive(client)
                if events & WRITE and client in self.clients:
                    self.flush(client)

    def accept(self):
        # en: TODO 1: accept the connection, make its socket non-blocking, remember a Client, and register it for READ
        # en: with the Client as its data.
        # es: TODO 1: acepta la conexión, haz no bloqueante su socket, recuerda un Client, y regístralo para READ con el
        # es: Client como su dato.
        ### BEGIN SOLUTION
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        client = Client(sock)
        self.clients.append(client)
        self.selector.register(sock, READ, client)
        ### END SOLUTION

    def receive(self, client):
        # en: TODO 2: recv() what there is, once. Broadcast each line that is whole, with its b"\n"; keep the rest. At
        # en: the end of the input (b"", or ConnectionError), forget the client.
        # es: TODO 2: haz recv() de lo que hay, una vez. Difunde cada línea completa, con su b"\n"; guarda el resto. Al
        # es: final de la entrada (b"", o ConnectionError), olvida al cliente.
        ### BEGIN SOLUTION
        try:
            data = client.sock.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            self.forget(client)
            return
        *lines, client.unread = (client.unread + data).split(b"\n")
        for line in lines:
            self.broadcast(line + b"\n")
        ### END SOLUTION

    def broadcast(self, line):
        # en: TODO 3: append the line to what every client is still to be sent, and try to send it.
        # es: TODO 3: agrega la línea a lo que a cada cliente le falta por enviar, e intenta enviarlo.
        ### BEGIN SOLUTION
        for client in list(self.clients):
            client.unsent += line
            self.flush(client)
        ### END SOLUTION

    def flush(self, client):
        # en: TODO 4: send() what is unsent, and keep what it does not take (it returns how much it took, or raises
        # en: BlockingIOError). Wait for WRITE as well as READ only while something is unsent: selector.modify(). A
        # en: client that has left (ConnectionError) is found by receive().
        # es: TODO 4: haz send() de lo que falta, y guarda lo que no acepta (devuelve cuánto aceptó, o lanza
        # es: BlockingIOError). Espera WRITE además de READ solo mientras falte algo: selector.modify(). A un cliente
        # es: que se fue (ConnectionError) lo encuentra receive().
        ### BEGIN SOLUTION
        try:
            sent = client.sock.send(client.unsent)
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            sent = len(client.unsent)
        client.unsent = client.unsent[sent:]
        self.selector.modify(client.sock, READ | WRITE if client.unsent else READ, client)
        ### END SOLUTION

    def forget(self, client):
        # en: TODO 5: take it out of the clients and of the selector, and close its socket, in this order.
        # es: TODO 5: sácalo de los clientes y del selector, y cierra su socket, en este orden.
        ### BEGIN SOLUTION
        self.clients.remove(client)
        self.selector.unregister(client.sock)
        client.sock.close()
        ### END SOLUTION


def serve(fd):
    Server(socket.socket(fileno=fd)).run()

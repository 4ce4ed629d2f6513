# en: A bounded buffer between threads, with a policy for when it is full.
# es: Un búfer acotado entre hilos, con una política para cuando está lleno.

import threading
from collections import deque


class Overflow(Exception):
    # en: Raised by put() under the policy "disconnect", when the buffer is full.
    # es: La lanza put() con la política "disconnect", cuando el búfer está lleno.
    pass


class Buffer:
    # en: At most `size` items. `policy` says what put() does when it is full:
    # en:   "block"       wait until there is room
    # en:   "drop"        drop the new item, and return False
    # en:   "disconnect"  raise Overflow
    # es: A lo sumo `size` elementos. `policy` dice qué hace put() cuando está lleno:
    # es:   "block"       esperar hasta que haya lugar
    # es:   "drop"        descartar el elemento nuevo y devolver False
    # es:   "disconnect"  lanzar Overflow
    def __init__(self, size, policy):
        self.size = size
        self.policy = policy
        self.items = deque()
        self.changed = threading.Condition()

    def __len__(self):
        return len(self.items)

    def put(self, item):
        # en: TODO 1: put the item, and return True; when the buffer is full, do what the policy says.
        # en: Hold self.changed meanwhile, and wake whoever waits in get().
        # es: TODO 1: pon el elemento y devuelve True; con el búfer lleno, haz lo que dice la política.
        # es: Mantén self.changed mientras tanto, y despierta a quien espera en get().
        ### BEGIN SOLUTION
        with self.changed:
            while len(self.items) >= self.size:
                if self.policy == "drop":
                    return False
                if self.policy == "disconnect":
                    raise Overflow
                self.changed.wait()
            self.items.append(item)
            self.changed.notify_all()
            return True
        ### END SOLUTION

    def get(self):
        # en: TODO 2: return the oldest item; wait until there is one. Wake whoever waits in put().
        # es: TODO 2: devuelve el elemento más viejo; espera hasta que haya uno. Despierta a quien espera en put().
        ### BEGIN SOLUTION
        with self.changed:
            while not self.items:
                self.changed.wait()
            item = self.items.popleft()
            self.changed.notify_all()
            return item
        ### END SOLUTION


def produce(buffer, items):
    for item in items:
        buffer.put(item)


def consume(buffer, count):
    return [buffer.get() for _ in range(count)]

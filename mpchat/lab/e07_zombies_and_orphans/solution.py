# en: A parent that has no zombies, and knows how each of its children ended.
# es: Un padre que no tiene zombis, y que sabe cómo terminó cada uno de sus hijos.

import os
import signal
import time


def slow_fork():
    # en: fork(), and the parent is the slower of both: what happens now and then on a busy machine happens always.
    # es: fork(), y el padre es el más lento de los dos: lo que en una máquina ocupada pasa a veces, pasa siempre.
    pid = os.fork()
    if pid > 0:
        time.sleep(0.1)
    return pid


def live(seconds, status):
    # en: What a child does; it does not return.
    # es: Lo que hace un hijo; no vuelve.
    try:
        time.sleep(seconds)
    finally:
        os._exit(status)


class Children:
    def __init__(self):
        self.running = set()
        self.ended = {}

    def install(self):
        # en: TODO 1: from now on, on_child() is the handler of SIGCHLD. Reap those, too, that have ended before.
        # es: TODO 1: desde ahora, on_child() es el manejador de SIGCHLD. Algunos hijos ya pudieron terminar: recógelos.
        ### BEGIN SOLUTION
        signal.signal(signal.SIGCHLD, self.on_child)
        self.on_child(signal.SIGCHLD, None)
        ### END SOLUTION

    def on_child(self, number, frame):
        # en: TODO 2: reap every child that has ended. Each goes from self.running into self.ended, where its exit
        # en: status is kept by its pid: 3 after exit(3), -9 after SIGKILL (os.waitstatus_to_exitcode).
        # en: Others may still run: never wait for them. There may be no child at all.
        # es: TODO 2: recoge a todo hijo que haya terminado. Cada uno pasa de self.running a self.ended, donde queda su
        # es: estado de salida según su pid: 3 después de exit(3), -9 después de SIGKILL (os.waitstatus_to_exitcode).
        # es: Otros pueden seguir corriendo: nunca los esperes. Puede no haber ningún hijo.
        ### BEGIN SOLUTION
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.running.discard(pid)
            self.ended[pid] = os.waitstatus_to_exitcode(status)
        ### END SOLUTION

    def start(self, seconds, status):
        # en: TODO 3: start a child by slow_fork(); it calls live(). Put its pid into self.running, and return it.
        # en: It may end before you have noted it: block SIGCHLD (signal.pthread_sigmask) meanwhile.
        # en: A child inherits what is blocked: there, let the signal come again before live().
        # es: TODO 3: inicia un hijo con slow_fork(); el hijo llama a live(). Pon su pid en self.running y devuélvelo.
        # es: Puede terminar antes de que lo anotes: bloquea SIGCHLD (signal.pthread_sigmask) mientras tanto.
        # es: Un hijo hereda lo bloqueado: allí, deja que la señal vuelva a llegar antes de live().
        ### BEGIN SOLUTION
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = slow_fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            live(seconds, status)
        self.running.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return pid
        ### END SOLUTION

    def known(self):
        return {"running": sorted(self.running), "ended": self.ended}

# en: A supervisor: it starts a program, waits for its end, and starts it again.
# es: Un supervisor: inicia un programa, espera su final, y lo inicia de nuevo.

import subprocess
import threading
import time


class Supervisor:
    # en: Of the program `argv`, a list such as ["sleep", "1000"]. It gives up after `most` deaths within `seconds`: a
    # en: program that dies each time it is started would be started for ever.
    # es: Del programa `argv`, una lista como ["sleep", "1000"]. Se rinde tras `most` muertes en `seconds`: un programa
    # es: que muere cada vez que se inicia se iniciaría para siempre.
    def __init__(self, argv, most=3, seconds=5.0):
        self.argv = argv
        self.most = most
        self.seconds = seconds
        self.deaths = []
        self.child = None
        self.stopped = False
        self.lock = threading.Lock()

    def too_many(self, now):
        # en: TODO 1: the child has died at the time `now` (time.monotonic()). Note that in self.deaths, forget deaths
        # en: that are `seconds` old or older, and return whether there are `most` of them.
        # es: TODO 1: el hijo murió en el momento `now` (time.monotonic()). Anótalo en self.deaths, olvida las muertes
        # es: que tienen `seconds` o más, y devuelve si hay `most` de ellas.
        ### BEGIN SOLUTION
        self.deaths.append(now)
        self.deaths = [at for at in self.deaths if now - at < self.seconds]
        return len(self.deaths) >= self.most
        ### END SOLUTION

    def run(self):
        # en: TODO 2: start the program, wait for its end, and start it again; until stop() was called, which another
        # en: thread does (return "stopped"), or there were too many deaths (return "gave up"). self.child is the child.
        # en: Hold self.lock while you look at self.stopped and start a child: stop() may come between the two.
        # es: TODO 2: inicia el programa, espera su final, e inícialo de nuevo; hasta que se llamó a stop(), lo que hace
        # es: otro hilo (devuelve "stopped"), o hubo demasiadas muertes (devuelve "gave up"). self.child es el hijo.
        # es: Mantén self.lock mientras miras self.stopped e inicias un hijo: stop() puede llegar entre ambas cosas.
        ### BEGIN SOLUTION
        while True:
            with self.lock:
                if self.stopped:
                    return "stopped"
                self.child = subprocess.Popen(self.argv)
            self.child.wait()
            if self.too_many(time.monotonic()) and not self.stopped:
                return "gave up"
        ### END SOLUTION

    def stop(self):
        # en: TODO 3: end the child, and have run() start no other. SIGTERM asks it to end (terminate()); if it has not
        # en: ended one second later (wait(1) raises subprocess.TimeoutExpired), SIGKILL ends it.
        # es: TODO 3: termina al hijo, y que run() no inicie otro. SIGTERM le pide que termine (terminate()); si no
        # es: terminó un segundo después (wait(1) lanza subprocess.TimeoutExpired), SIGKILL lo termina.
        ### BEGIN SOLUTION
        with self.lock:
            self.stopped = True
            child = self.child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(1)
        except subprocess.TimeoutExpired:
            child.kill()
        ### END SOLUTION

# en: What Linux says of a process in /proc (man 5 proc), and how its scheduler shares a core (man 7 sched).
# es: Lo que Linux dice de un proceso en /proc (man 5 proc), y cómo su planificador reparte un núcleo (man 7 sched).

import os


def shares(nices):
    # en: TODO 1: processes with these nice values compute on one core, without a pause. Return the share of the core
    # en: that each will get, in the same order; together they are 1. A process weighs 1.25 times as much as one that is
    # en: nicer by 1, and the shares are as the weights.
    # es: TODO 1: procesos con estos valores de nice computan en un núcleo, sin pausa. Devuelve la parte del núcleo que
    # es: recibirá cada uno, en el mismo orden; juntas son 1. Un proceso pesa 1.25 veces lo que otro cuyo nice es mayor
    # es: en 1, y las partes son como los pesos.
    ### BEGIN SOLUTION
    weights = [1.25**-nice for nice in nices]
    total = sum(weights)
    return [weight / total for weight in weights]
    ### END SOLUTION


def switches(pid):
    # en: TODO 2: return how often the process has given up its core, because it had to wait, and how often the core was
    # en: taken from it: voluntary_ctxt_switches and nonvoluntary_ctxt_switches in /proc/PID/status.
    # es: TODO 2: devuelve cuántas veces el proceso cedió su núcleo, porque tenía que esperar, y cuántas se lo quitaron:
    # es: voluntary_ctxt_switches y nonvoluntary_ctxt_switches en /proc/PID/status.
    ### BEGIN SOLUTION
    found = {}
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            found[name] = value.strip()
    return int(found["voluntary_ctxt_switches"]), int(found["nonvoluntary_ctxt_switches"])
    ### END SOLUTION


def cpu_seconds(pid):
    # en: TODO 3: return how many seconds of CPU time the process has used, in user mode and in the kernel: the fields
    # en: 14 and 15 of /proc/PID/stat, in ticks; os.sysconf("SC_CLK_TCK") is how many of these make a second. Field 2 is
    # en: the process's name in parentheses; a name may have spaces and parentheses itself.
    # es: TODO 3: devuelve cuántos segundos de CPU usó el proceso, en modo usuario y en el kernel: los campos 14 y 15 de
    # es: /proc/PID/stat, en ticks; os.sysconf("SC_CLK_TCK") es cuántos de estos hacen un segundo. El campo 2 es el
    # es: nombre del proceso entre paréntesis; un nombre puede tener él mismo espacios y paréntesis.
    ### BEGIN SOLUTION
    with open(f"/proc/{pid}/stat") as file:
        text = file.read()
    third_and_more = text.rpartition(")")[2].split()
    ticks = int(third_and_more[11]) + int(third_and_more[12])
    return ticks / os.sysconf("SC_CLK_TCK")
    ### END SOLUTION

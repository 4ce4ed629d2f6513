"""English: every sentence that a person reads. Placeholders are those of str.format()."""

_PLAIN: dict[str, str] = {  # plain.*: the dialect for nc and telnet
}
_SEARCH: dict[str, str] = {  # search.*, history.*: what both dialects say of the past
}
_CLIENT: dict[str, str] = {  # client.*: the screen, and its commands
}
_SCREEN: dict[str, str] = {  # screen.*: how the client shows what happens
}
_CLI: dict[str, str] = {  # cli.*: the command line, its help and its errors
    "cli.about": "A chat server made of processes.",
    "cli.command": "COMMAND",
    "cli.file": "FILE",
    "cli.text": "TEXT",
    "cli.target": "TARGET",
    "cli.name_and_password": "NAME:PASSWORD",
    "cli.hint": "{program} --help shows what there is",
    "cli.output_failed": "cannot write to standard output: {why}",
    # What arguments may be
    "cli.no_port": "a port is a number from 0 to 65535, not {given}",
    "cli.no_number": "a whole number, not {given}",
    "cli.too_small": "a whole number above {limit}, not {given}",
    "cli.too_large": "{limit} at most, not {given}",
    "cli.no_seconds": "a number of seconds, not {given} (86400 at most)",
    "cli.too_short": "0, or 1 second and more, not {given}",
    "cli.no_utf8": "{given} is not UTF-8",
    "cli.secret_no_utf8": "is not UTF-8",
    "cli.no_line": "must be one line without control characters, and has {letter}",
    "cli.too_long": "must have at most {limit} bytes, and has {size}",
    "cli.empty": "is empty",
    "cli.it_is_empty": "it is empty",
    "cli.no_name": "a server's or network's name is one word, not {given}",
    "cli.name_too_long": "a server's or network's name has at most {limit} bytes: {given}",
    "cli.no_host": "no host can be called {given}",
    "cli.no_path": "is empty: it must name a file or a folder",
    "cli.no_ipc": "{known} or the path of a file FILE.py, not {given}",
    "cli.no_oper": "an operator is NAME:PASSWORD, without spaces",
    "cli.bad_oper": "an operator's name or password {wrong}",
    # What files and the environment say
    "cli.file_shared": "{path}: others than its owner may use it, and it holds passwords (chmod 600 helps)",
    "cli.file_endless": "no end of it in {seconds} seconds",
    "cli.file_too_large": "{path} has more than {limit} bytes",
    "cli.file_too_many_lines": "{path} has more than {limit} lines",
    "cli.file_without_password": "{path} has no password in its first line",
    "cli.file_without_oper": "{path} names no operator",
    "cli.line_no_utf8": "{path}, line {number}: not UTF-8 (byte {byte}), which it must be",
    "cli.bad_line": "{path}, line {number}: {wrong}",
    "cli.bad_password": "{path}, line 1: a password {wrong}",
    "cli.oper_above": "an operator of this name stands above",
    "cli.oper_twice": "an operator's name is given twice (--oper, --oper-file)",
    "cli.no_home": "you have no home folder: say where to keep journal and history (--data DIR, or --ephemeral)",
    # mpchat server
    "cli.server": "start a server",
    "cli.server_host": "address to listen on (default: %(default)s)",
    "cli.server_port": "IRC port (default: %(default)s; 0: any free one)",
    "cli.plain_port": "plain text port, or none (default: PORT + 13)",
    "cli.workers": "worker processes (default here: %(default)s)",
    "cli.data": "journal and history (default: a folder for each port)",
    "cli.ephemeral": "keep them in a folder that is removed at the end",
    "cli.durability": "what an accepted line survives: nothing, the death of a process, a power cut "
    "(default: %(default)s)",
    "cli.history_days": "keep what was said in rooms for N days (default: %(default)s; 0 keeps none of it)",
    "cli.history_size": "and of it the newest, MB megabytes at most (default: %(default)s; 0 keeps none of it)",
    "cli.hang_limit": "a process that hangs is killed after S seconds (default: %(default)s; 0: never)",
    "cli.ipc": "between workers and broker: queue, pipe, or your own FILE.py (default: %(default)s)",
    "cli.name": "the server's name (default: %(default)s)",
    "cli.network": "the network's name (default: %(default)s)",
    "cli.description": "a few words about the server",
    "cli.motd": "the message of the day (UTF-8); `reload` reads it again",
    "cli.password": "clients need it to enter",
    "cli.password_file": "the same, from a file of mode 600: arguments are visible to all",
    "cli.oper_file": "operators of the server: NAME:PASSWORD in each line; mode 600",
    "cli.oper": "one more, visible to all (as --password is); may be repeated",
    "cli.max_clients": "connections at most (default: 10000, or what the fds allow)",
    "cli.sendq": "a client's backlog (default: %(default)s)",
    "cli.sendq_total": "all clients' backlogs (default: 268435456, or what fits)",
    "cli.unlimited": "no flood control, no limits for one address; loopback only",
    "cli.server_lang": "the language of complaints at its start, and of nc's users until they choose another "
    "(default: what the locale says)",
    "cli.log_json": "log lines as JSON",
    "cli.windows": "Windows is not supported: the server passes sockets between processes as only Unix can",
    "cli.unlimited_refused": "--unlimited takes all limits away: it is refused unless the server listens on loopback",
    "cli.nothing_kept": "--durability none keeps nothing, so there is nothing for --data to say",
    "cli.same_port": "--plain-port {port} is the port for IRC",
    "cli.too_many_clients": "--max-clients {given} is more than the limit of open files allows: "
    "{fitting} with --workers {workers} (ulimit -Hn shows the limit)",
    "cli.too_many_workers": "--workers {workers} needs {needed} open files, and the limit is {limit} "
    "(ulimit -Hn shows it)",
    "cli.small_sendq_total": "--sendq-total {total} is less than what one client may be behind, --sendq {sendq}",
    "cli.cannot_listen": "cannot listen on {host}:{port}: {why}",
    "cli.no_host_name": "that cannot be a host's name",
    "cli.data_in_use": "another server uses this data directory",
    "cli.data_held_by": "another server uses this data directory, held by process {process}",
    "cli.data_held_by_several": "another server uses this data directory, held by processes {processes}",
    "cli.held": "{pid} ({name})",
    "cli.held_stopped": "{pid} ({name}, stopped)",
    "cli.not_private": "{folder} is not a folder that only you can enter",
    "cli.control_failed": "cannot open the control socket ({why})",
    "cli.control_in_use": "in use: a server of yours is running on that port, whatever its address",
    "cli.several_servers": "several users have a server on port {port}: {users}; ask as one of them",
    "cli.no_pair": "{path} defines no class with the name Pair",
    "cli.pair_lacks": "{path}: its Pair has no {method}()",
    "cli.pair_failed": "{path}, line {number}: {error}",
    # mpchat client, send and tail
    "cli.talker_host": "the server (default: %(default)s)",
    "cli.talker_port": "its IRC port (default: %(default)s)",
    "cli.talker_password_file": "a file with the server's password",
    "cli.client_nick": "your nickname (default: asks, or your login name)",
    "cli.client_room": "the first room (default: #lobby, or that of the settings)",
    "cli.client_lang": "the language (default: that of /set language, or what the locale says)",
    "cli.plain": "append lines only: for screen readers and pipes",
    "cli.script_nick": "your nickname, and no other (default: your login name, or one like it)",
    "cli.send_text": "what to say; - or none: the lines of standard input",
    "cli.send_to": "'#room' or a nickname (default: %(default)s)",
    "cli.tail_room": "which room (default: %(default)s)",
    "cli.tail_json": "one JSON object a line",
    "cli.lang": "the language (default: what the locale says)",
    "cli.closed.0": "standard input is closed (give it /dev/null if there is nothing to say)",
    "cli.closed.1": "standard output is closed (give it /dev/null if there is nothing to show)",
    "cli.talker.client": "join a server from this terminal",
    "cli.talker.send": "say something from a script",
    "cli.talker.tail": "follow a room from a script",
    "cli.talker_about.client": """\
Join a server. In a terminal, type and press Enter. In a pipe each line is said, or obeyed where it
begins with a slash. It waits for the answer to the /command before it; where that was refused, it is not said if it
depended on it (in the room that could not be entered, under the nickname that was refused).""",
    "cli.talker_about.send": """\
Say one text, or the lines of standard input, and go. No line is a /command. In a room that was not there
before, where nobody would hear it, nothing is said (status 4).""",
    "cli.talker_about.tail": """\
Show what is said in a room from now on, a line for each message, until Ctrl-C or until nobody reads it.
It comes back after a lost connection, and shows what it missed.""",
    "cli.talker_example.client": """\
for example:
  $ printf 'hola\\n/msg nadie hola\\n' | {run}mpchat client --nick script
  06:05 -- connected to mpchat.local as script
  06:05 * script joined #lobby
  06:05 * in #lobby (1): script
  06:05 <script> hola
  06:05 ! not said: hola (nadie: No such nick/channel)""",
    "cli.talker_example.send": """\
for example:
  $ {run}mpchat send --to '#lobby' 'the build is done'
  $ df -h / | {run}mpchat send
  $ {run}mpchat send --to nadie hola
  mpchat: not said: hola (nadie: No such nick/channel)""",
    "cli.talker_example.tail": """\
for example:
  $ {run}mpchat tail --nick ear
  mpchat: connected to mpchat.local as ear
  2026-11-28 06:05:31 <ana> the build is done

each line with --json is an object with these keys, all of them texts:
  time  ISO 8601, UTC: 2026-11-28T06:05:31.250Z
  room  #lobby; empty in private
  nick  who said it; empty for a gap
  text
  kind  message, action (/me), notice, or gap: some messages are missing here""",
    "cli.statuses": """\
exit status:
  0  all that was to be said came back from the server
  1  not connected (or standard input or output failed)
  2  used wrongly
  3  removed by an operator: KILL, or KICK from the room in question
  4  refused: moderated, no such nick, wrong key, nickname in use, nobody in the room of send, ...
  5  the connection was lost before all came back
The gravest of several: 3, then 5, then 4. What was refused is on standard error.""",
    # mpchat ps, reload, stop
    "cli.ps": "show a running server's processes",
    "cli.ps_json": "for programs",
    "cli.reload": "have a running server read its motd, password and operator files again",
    "cli.stop": "stop a running server: everybody is told, and then it has ended",
    "cli.server_of_port": "the server's IRC port (default: %(default)s)",
    "cli.older_server": "that server does not know this command: it is an older one",
    "cli.no_answer": "no answer in {seconds} seconds",
    "cli.no_server": "no server of yours on port {port} (its control socket would be in {folder})",
    # make, by scripts/prepare.py
    "cli.make_prepares": "preparing {folder} with Python {version} (once, and again when {list} changes)",
    "cli.make_installs": "installing {packages} (a few MB; a package index that is silent for {seconds} s is given up)",
    "cli.make_installs_dev": "installing what tests and linters need ({list}: some 150 MB)",
    "cli.make_incomplete": "not all that it can use could be installed: {why} (more in {log})",
    "cli.make_incomplete_dev": "what tests and linters need could not be installed: {why} (more in {log})",
    "cli.make_unprepared": "{folder} cannot be prepared: {why} ({path})",
    "cli.make_waits": "{folder} is being prepared by another make (process {process}): waiting for it",
    "cli.make_waits_for_server": "waiting for the server on {host}:{port}",
    "cli.make_runs_without": "running without {packages}; 'make install' tries again",
    "cli.make_missing": "still missing: {packages}",
    "cli.make_without.psutil": "psutil (CPU and memory in 'ps', where there is no /proc)",
    "cli.make_without.prompt_toolkit": "prompt_toolkit (line editing in the client)",
    "cli.make_without.setproctitle": "setproctitle (process titles in 'ps aux')",
    "cli.make_and": " and ",
    "cli.make_no_venv": "{python} -m venv does not work here (Debian and Ubuntu: apt install python3-venv)",
    "cli.make_silent": "the package index was silent for {seconds} s",
    "cli.make_pip_failed": "pip has failed",
}
_PS: dict[str, str] = {  # ps.*
    "ps.role": "ROLE",
    "ps.clients": "CLIENTS",
    "ps.records": "RECORDS",
    "ps.nothing_measured": "(psutil is not installed, and there is no /proc: no CPU, memory and fds)",
    "ps.other_code": "(the code of the chat was changed while the server runs: its broker has the new one)",
}

TEXTS: dict[str, str] = {**_PLAIN, **_SEARCH, **_CLIENT, **_SCREEN, **_CLI, **_PS}

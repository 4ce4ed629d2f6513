"""Español: cada frase que lee una persona. Las mismas claves y los mismos huecos que en en.py."""

_PLAIN: dict[str, str] = {  # plain.*: the dialect for nc and telnet
}
_SEARCH: dict[str, str] = {  # search.*, history.*: what both dialects say of the past
}
_CLIENT: dict[str, str] = {  # client.*: the screen, and its commands
}
_SCREEN: dict[str, str] = {  # screen.*: how the client shows what happens
}
_CLI: dict[str, str] = {  # cli.*: the command line, its help and its errors
    "cli.about": "Un servidor de chat hecho de procesos.",
    "cli.command": "ORDEN",
    "cli.file": "ARCHIVO",
    "cli.text": "TEXTO",
    "cli.target": "DESTINO",
    "cli.name_and_password": "NOMBRE:CONTRASEÑA",
    "cli.hint": "{program} --help muestra lo que hay",
    "cli.output_failed": "no se puede escribir en la salida estándar: {why}",
    # What arguments may be
    "cli.no_port": "un puerto es un número de 0 a 65535, y no {given}",
    "cli.no_number": "un número entero, y no {given}",
    "cli.too_small": "un número entero mayor que {limit}, y no {given}",
    "cli.too_large": "{limit} como mucho, y no {given}",
    "cli.no_seconds": "un número de segundos, y no {given} (86400 como mucho)",
    "cli.too_short": "0, o bien 1 segundo o más, y no {given}",
    "cli.no_utf8": "{given} no es UTF-8",
    "cli.secret_no_utf8": "no es UTF-8",
    "cli.no_line": "debe ser una sola línea sin caracteres de control, y tiene {letter}",
    "cli.too_long": "debe tener {limit} bytes como mucho, y tiene {size}",
    "cli.empty": "no puede estar vacío",
    "cli.it_is_empty": "no puede estar vacío",
    "cli.no_name": "el nombre de un servidor o de una red es una sola palabra, y no {given}",
    "cli.name_too_long": "el nombre de un servidor o de una red tiene {limit} bytes como mucho: {given}",
    "cli.no_host": "ninguna máquina puede llamarse {given}",
    "cli.no_path": "no puede estar vacío: debe nombrar un archivo o una carpeta",
    "cli.no_ipc": "{known} o la ruta de un archivo FILE.py, y no {given}",
    "cli.no_oper": "un operador es NOMBRE:CONTRASEÑA, sin espacios",
    "cli.bad_oper": "el nombre o la contraseña de un operador {wrong}",
    # What files and the environment say
    "cli.file_shared": "{path}: lo puede usar alguien más que su dueño, y tiene contraseñas (se arregla con chmod 600)",
    "cli.file_endless": "no ha terminado en {seconds} segundos",
    "cli.file_too_large": "{path} tiene más de {limit} bytes",
    "cli.file_too_many_lines": "{path} tiene más de {limit} líneas",
    "cli.file_without_password": "{path} no tiene ninguna contraseña en su primera línea",
    "cli.file_without_oper": "{path} no nombra a ningún operador",
    "cli.line_no_utf8": "{path}, línea {number}: no es UTF-8 (byte {byte}), y debe serlo",
    "cli.bad_line": "{path}, línea {number}: {wrong}",
    "cli.bad_password": "{path}, línea 1: una contraseña {wrong}",
    "cli.oper_above": "ya hay más arriba un operador con este nombre",
    "cli.oper_twice": "el nombre de un operador está dos veces (--oper, --oper-file)",
    "cli.no_home": "no tienes carpeta personal: di dónde guardar el diario y el historial (--data DIR, o --ephemeral)",
    # mpchat server
    "cli.server": "arranca un servidor",
    "cli.server_host": "dirección en la que escucha (por defecto: %(default)s)",
    "cli.server_port": "puerto de IRC (por defecto: %(default)s; 0: uno libre cualquiera)",
    "cli.plain_port": "puerto de texto plano, o none: ninguno (por defecto: PORT + 13)",
    "cli.workers": "procesos worker (por defecto, aquí: %(default)s)",
    "cli.data": "diario e historial (por defecto: una carpeta para cada puerto)",
    "cli.ephemeral": "los guarda en una carpeta que se borra al final",
    "cli.durability": "a qué sobrevive una línea aceptada: none, a nada; process, a la muerte de un proceso; power, a "
    "un corte de luz (por defecto: %(default)s)",
    "cli.history_days": "guarda N días lo que se dijo en las salas (por defecto: %(default)s; con 0 no guarda nada)",
    "cli.history_size": "y de eso, lo más nuevo, MB megabytes como mucho (por defecto: %(default)s; con 0, nada)",
    "cli.hang_limit": "a un proceso colgado se le mata al cabo de S segundos (por defecto: %(default)s; 0: nunca)",
    "cli.ipc": "entre workers y broker: queue (colas), pipe (tuberías), o un FILE.py tuyo (por defecto: %(default)s)",
    "cli.name": "el nombre del servidor (por defecto: %(default)s)",
    "cli.network": "el nombre de la red (por defecto: %(default)s)",
    "cli.description": "unas palabras sobre el servidor",
    "cli.motd": "el mensaje del día (UTF-8); `reload` lo lee de nuevo",
    "cli.password": "los clientes la necesitan para entrar",
    "cli.password_file": "lo mismo, desde un archivo de modo 600: los argumentos los ve cualquiera",
    "cli.oper_file": "operadores del servidor: NOMBRE:CONTRASEÑA en cada línea; de modo 600",
    "cli.oper": "uno más, que ve cualquiera (como --password); se puede repetir",
    "cli.max_clients": "conexiones como mucho (por defecto: 10000, o las que permitan los descriptores)",
    "cli.sendq": "lo que puede llevar de retraso un cliente (por defecto: %(default)s)",
    "cli.sendq_total": "lo que pueden llevar de retraso entre todos (por defecto: 268435456, o lo que quepa)",
    "cli.unlimited": "sin control de inundaciones ni límites por dirección; solo en loopback",
    "cli.server_lang": "el idioma de las quejas al arrancar, y el de quien usa nc mientras no elija otro "
    "(por defecto: el de la configuración regional)",
    "cli.log_json": "las líneas del registro, en JSON",
    "cli.windows": "Windows no está soportado: el servidor pasa sockets entre procesos como solo sabe hacerlo Unix",
    "cli.unlimited_refused": "--unlimited quita todos los límites: se rechaza si el servidor no escucha en loopback",
    "cli.nothing_kept": "--durability none no guarda nada, así que --data no tiene nada que decir",
    "cli.same_port": "--plain-port {port} es el puerto de IRC",
    "cli.too_many_clients": "--max-clients {given} es más de lo que permite el límite de archivos abiertos: "
    "{fitting} con --workers {workers} (ulimit -Hn muestra el límite)",
    "cli.too_many_workers": "--workers {workers} necesita {needed} archivos abiertos, y el límite es {limit} "
    "(lo muestra ulimit -Hn)",
    "cli.small_sendq_total": "--sendq-total {total} es menos de lo que puede llevar de retraso un solo cliente, "
    "--sendq {sendq}",
    "cli.cannot_listen": "no se puede escuchar en {host}:{port}: {why}",
    "cli.no_host_name": "eso no puede ser el nombre de una máquina",
    "cli.data_in_use": "otro servidor usa esta carpeta de datos",
    "cli.data_held_by": "otro servidor usa esta carpeta de datos: la tiene el proceso {process}",
    "cli.data_held_by_several": "otro servidor usa esta carpeta de datos: la tienen los procesos {processes}",
    "cli.held": "{pid} ({name})",
    "cli.held_stopped": "{pid} ({name}, parado)",
    "cli.not_private": "{folder} no es una carpeta en la que solo puedas entrar tú",
    "cli.control_failed": "no se puede abrir el socket de control ({why})",
    "cli.control_in_use": "en uso: ya hay un servidor tuyo en ese puerto, sea cual sea su dirección",
    "cli.several_servers": "varios usuarios tienen un servidor en el puerto {port}: {users}; pregunta como uno",
    "cli.no_pair": "{path} no define ninguna clase con el nombre Pair",
    "cli.pair_lacks": "{path}: su Pair no tiene {method}()",
    "cli.pair_failed": "{path}, línea {number}: {error}",
    # mpchat client, send and tail
    "cli.talker_host": "el servidor (por defecto: %(default)s)",
    "cli.talker_port": "su puerto de IRC (por defecto: %(default)s)",
    "cli.talker_password_file": "un archivo con la contraseña del servidor",
    "cli.client_nick": "tu apodo (por defecto: lo pregunta, o tu nombre de usuario)",
    "cli.client_room": "la primera sala (por defecto: #lobby, o la de las preferencias)",
    "cli.client_lang": "el idioma (por defecto: el de /set language, o el de la configuración regional)",
    "cli.plain": "solo añade líneas: para lectores de pantalla y tuberías",
    "cli.script_nick": "tu apodo, y ningún otro (por defecto: tu nombre de usuario, o uno parecido)",
    "cli.send_text": "qué decir; si es - o no hay nada, las líneas de la entrada estándar",
    "cli.send_to": "'#sala' o un apodo (por defecto: %(default)s)",
    "cli.tail_room": "qué sala (por defecto: %(default)s)",
    "cli.tail_json": "un objeto JSON por línea",
    "cli.lang": "el idioma (por defecto: el de la configuración regional)",
    "cli.closed.0": "la entrada estándar está cerrada (dale /dev/null si no hay nada que decir)",
    "cli.closed.1": "la salida estándar está cerrada (dale /dev/null si no hay nada que mostrar)",
    "cli.talker.client": "entra en un servidor desde esta terminal",
    "cli.talker.send": "dice algo desde un script",
    "cli.talker.tail": "sigue una sala desde un script",
    "cli.talker_about.client": """\
Entra en un servidor. En una terminal, escribe y pulsa Enter. En una tubería se dice cada línea, o se obedece si
empieza por una barra. Cada línea espera la respuesta a la /orden anterior; si esa se denegó, no se dice lo que
dependía de ella (en la sala en la que no se pudo entrar, con el apodo que no se pudo tener).""",
    "cli.talker_about.send": """\
Dice un texto, o las líneas de la entrada estándar, y se va. Ninguna línea es una /orden. En una sala que no existía
antes, donde no lo oiría nadie, no se dice nada (estado 4).""",
    "cli.talker_about.tail": """\
Muestra lo que se dice en una sala desde ahora, una línea por mensaje, hasta Ctrl-C o hasta que nadie lo lea.
Vuelve si se pierde la conexión, y muestra lo que se dijo mientras tanto.""",
    "cli.talker_example.client": """\
por ejemplo:
  $ printf 'hola\\n/msg nadie hola\\n' | {run}mpchat client --nick script
  06:05 -- conexión con mpchat.local como script
  06:05 * script entró en #lobby
  06:05 * en #lobby (1): script
  06:05 <script> hola
  06:05 ! no se dijo: hola (nadie: No such nick/channel)""",
    "cli.talker_example.send": """\
por ejemplo:
  $ {run}mpchat send --to '#lobby' 'la compilación ha terminado'
  $ df -h / | {run}mpchat send
  $ {run}mpchat send --to nadie hola
  mpchat: no se dijo: hola (nadie: No such nick/channel)""",
    "cli.talker_example.tail": """\
por ejemplo:
  $ {run}mpchat tail --nick oreja
  mpchat: conexión con mpchat.local como oreja
  2026-11-28 06:05:31 <ana> la compilación ha terminado

cada línea con --json es un objeto con estas claves, y todas son textos:
  time  ISO 8601, UTC: 2026-11-28T06:05:31.250Z
  room  #lobby; vacía en privado
  nick  quién lo dijo; vacío si es un hueco
  text
  kind  message, action (/me), notice, o gap: aquí faltan mensajes""",
    "cli.statuses": """\
estado de salida:
  0  todo lo que había que decir volvió del servidor
  1  sin conexión (o falló la entrada o la salida estándar)
  2  uso incorrecto
  3  un operador lo expulsó: KILL, o KICK de la sala en cuestión
  4  denegado: sala moderada, apodo que no existe, clave equivocada, apodo en uso, nadie en la sala de send...
  5  se perdió la conexión antes de que todo volviera
El más grave de varios: 3, luego 5, luego 4. Lo que se denegó está en la salida de errores.""",
    # mpchat ps, reload, stop
    "cli.ps": "muestra los procesos de un servidor en marcha",
    "cli.ps_json": "para programas",
    "cli.reload": "hace que un servidor en marcha lea de nuevo los archivos del mensaje del día, de la contraseña y "
    "de los operadores",
    "cli.stop": "para un servidor en marcha: se avisa a todos, y después ha terminado",
    "cli.server_of_port": "el puerto de IRC del servidor (por defecto: %(default)s)",
    "cli.older_server": "ese servidor no conoce esta orden: es más antiguo",
    "cli.no_answer": "sin respuesta en {seconds} segundos",
    "cli.no_server": "no hay ningún servidor tuyo en el puerto {port} (su socket de control estaría en {folder})",
    # make, by scripts/prepare.py
    "cli.make_prepares": "preparando {folder} con Python {version} (una vez, y de nuevo cuando cambie {list})",
    "cli.make_installs": "instalando {packages} (unos pocos MB; a un índice de paquetes que calla {seconds} s se le da "
    "por perdido)",
    "cli.make_installs_dev": "instalando lo que necesitan las pruebas y los linters ({list}: unos 150 MB)",
    "cli.make_incomplete": "no se pudo instalar todo lo que puede usar: {why} (más en {log})",
    "cli.make_incomplete_dev": "no se pudo instalar lo que necesitan las pruebas y los linters: {why} (más en {log})",
    "cli.make_unprepared": "no se puede preparar {folder}: {why} ({path})",
    "cli.make_waits": "otro make está preparando {folder} (proceso {process}): esperando a que termine",
    "cli.make_waits_for_server": "esperando al servidor en {host}:{port}",
    "cli.make_runs_without": "funcionando sin {packages}; 'make install' lo intenta de nuevo",
    "cli.make_missing": "todavía falta: {packages}",
    "cli.make_without.psutil": "psutil (CPU y memoria en 'ps', donde no hay /proc)",
    "cli.make_without.prompt_toolkit": "prompt_toolkit (edición de la línea en el cliente)",
    "cli.make_without.setproctitle": "setproctitle (nombres de los procesos en 'ps aux')",
    "cli.make_and": " y ",
    "cli.make_no_venv": "{python} -m venv no funciona aquí (Debian y Ubuntu: apt install python3-venv)",
    "cli.make_silent": "el índice de paquetes calló durante {seconds} s",
    "cli.make_pip_failed": "pip ha fallado",
}
_PS: dict[str, str] = {  # ps.*
    "ps.role": "PAPEL",
    "ps.clients": "CLIENTES",
    "ps.records": "REGISTROS",
    "ps.nothing_measured": "(psutil no está instalado y no hay /proc: ni CPU, ni memoria, ni descriptores)",
    "ps.other_code": "(el código del chat cambió con el servidor en marcha: su broker tiene el nuevo)",
}

TEXTS: dict[str, str] = {**_PLAIN, **_SEARCH, **_CLIENT, **_SCREEN, **_CLI, **_PS}

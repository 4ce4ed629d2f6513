#!/bin/sh
# Run a Python program by a Python that is new enough: sh scripts/with_python.sh PROGRAM [ARGUMENT...]
#
# Which one that is: $PYTHON, where it is set. Else the first that runs and is new enough of .venv's, python3, and the
# python3.N of the PATH, from the newest on. Where there is none, one line says what is needed and what was found, and
# the status is 1. Shell, because the only Python there is may be too old for any program of ours, or may not run.

needed=10 # Python 3.10
root=$(dirname "$0")/..

case ${1-} in
  "" | -h | --help)
    echo "usage: with_python.sh PROGRAM [ARGUMENT...]"
    echo "Run a Python program by \$PYTHON, or by the first of .venv/bin/python, python3 and the newest python3.N of the"
    echo "PATH that runs and is Python 3.$needed or newer."
    exit
    ;;
esac

version() { # which one "$1" is, such as 3.11.7; nothing where it does not run (a stub of pyenv's, a dead link)
  said=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null </dev/null) ||
    said=$("$1" --version 2>&1 </dev/null) || said=
  echo "${said#Python }"
}

is_new_enough() {
  minor=${1#3.}
  [ "$minor" != "$1" ] && [ "${minor%%.*}" -ge $needed ] 2>/dev/null
}

others() { # every python3.N of the PATH, the newest first
  (
    IFS=:
    for folder in $PATH; do
      for file in "$folder"/python3.*; do
        case ${file##*/python3.} in
          *[!0-9]*) ;; # python3.12-config, or no file at all
          *) [ -x "$file" ] && echo "${file##*/python3.} $file" ;;
        esac
      done
    done
  ) | sort -rn | cut -d ' ' -f 2-
}

newest_other() { # the first of these that runs and is new enough
  others | while read -r other; do
    if is_new_enough "$(version "$other")"; then
      echo "$other"
      break
    fi
  done
}

named=${PYTHON-}
unset PYTHON # it is not for what is run
case $named in
  "~/"*) named=$HOME/${named#"~/"} ;; # make has handed on what not every shell expands
esac
if [ -n "$named" ]; then
  found=$(version "$named")
  is_new_enough "$found" && exec "$named" "$@"
  name=PYTHON=$named
  other=$(newest_other)
else
  own=$root/.venv/bin/python
  [ -x "$own" ] && is_new_enough "$(version "$own")" && exec "$own" "$@"
  name=python3
  found=$(version $name)
  is_new_enough "$found" && exec $name "$@"
  other=$(newest_other)
  [ -n "$other" ] && exec "$other" "$@"
fi
another="make PYTHON=${other:-/path/to/python3.12}"
case ${LC_ALL:-${LC_MESSAGES:-${LANG-}}} in # as mpchat/texts/__init__.py reads the locale
  es | es[_.@-]*)
    [ -n "$found" ] && found="es Python $found" || found="no funciona"
    echo "mpchat necesita Python 3.$needed o posterior, y $name $found: indica otro: $another" >&2
    ;;
  *)
    [ -n "$found" ] && found="is Python $found" || found="does not run"
    echo "mpchat needs Python 3.$needed or newer, and $name $found: name another one: $another" >&2
    ;;
esac
exit 1

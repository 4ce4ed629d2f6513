"""What mpchat doctor is asked: place and size of the server that would be started, and what cli.py knows of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mpchat.settings import Certificate, Settings


@dataclass(frozen=True)
class Asked:
    settings: Settings  # host, ports, workers and data are the server's; data "" is a folder for this run only
    no_data: str  # why there is no place for the data, in the server's words; "" where there is one
    descriptors: tuple[int, int]  # the soft and hard limit that this process was started with; -1 is none
    clients: int  # how many the server would take
    too_few_descriptors: str  # why it would not even start, in the server's words
    certificate: Certificate | None  # None: no port for TLS is wanted, or it cannot be used
    no_certificate: str  # why it cannot be used, in the server's words; "" where it can
    key_path: str  # of its key's file; "" where there is none
    default_workers: int
    runtime: str  # XDG_RUNTIME_DIR, or ""
    environment: Mapping[str, str]
    language: str  # which one is spoken where no --lang is given
    explain: Callable[[OSError], str]  # in the server's words
    config: str = ""  # the file of --config, or ""
    bad_config: str = ""  # why the server would not start with what it says, in the server's words

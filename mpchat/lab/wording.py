"""An experiment's sentences and the frame's, in one language. Pure."""

from collections.abc import Mapping

from mpchat.lab.words import TEXTS

LANGUAGES = tuple(TEXTS)


class Wording:
    """What the experiment has a sentence for comes before the frame's."""

    def __init__(self, language: str, own: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.language = language
        self._table = {**TEXTS[language], **(own or {}).get(language, {})}

    def __call__(self, key: str, /, **values: object) -> str:
        """True and false are said, too. Raises KeyError for what no table has, or a placeholder without a value."""
        said = {name: self._yes_or_no(value) if isinstance(value, bool) else value for name, value in values.items()}
        return self._table[key].format_map(said)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def _yes_or_no(self, value: bool) -> str:
        return self._table["lab.yes" if value else "lab.no"]

    def template(self, key: str) -> str:
        """The sentence with its placeholders."""
        return self._table[key]

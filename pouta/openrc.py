"""Reads an openrc file, the login file of OpenStack's dashboard, without running it.

An openrc file is a shell script, made to be sourced. Python cannot source it, and nobody should
run a file that came by mail. So the part of the shell that such files use is read here as bash
would read it: assignments, quotes, `$NAME`, `if [ … ]`, `unset`, `read`. Everything else is
refused with its line number. A refusal quotes operators and known commands only: any other text
in the file may be a piece of a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from pouta import files
from pouta.errors import ConfigurationError

FILE_LIMIT = 1024 * 1024  # bytes; the dashboard's file has 2 KB
VALUE_LIMIT = 32 * 1024  # characters; with `A=$A$A` a value doubles on each line
NESTING_LIMIT = 20  # ${A:-${B:-…}}
TYPED = "\0"  # stands for what the user types; neither a file nor a variable can hold it
PLAIN_VALUE = (
    "The file is read, not run. Write the plain value there, in single quotes; or take the line "
    "out and set the variable in the environment."
)
KEYWORDS = ("if", "then", "elif", "else", "fi")
SHELL_VARIABLES = ("_", "BASH_SOURCE", "LINENO", "RANDOM", "SECONDS")  # a shell makes these up
COMMANDS = (
    *("!", ".", "[", "[[", "alias", "case", "cd", "declare", "do", "done", "eval", "exec", "exit"),
    *("for", "function", "local", "module", "openstack", "printf", "readonly", "return", "shift"),
    *("source", "sudo", "test", "trap", "typeset", "until", "while"),
)

NAME = "[A-Za-z_][A-Za-z0-9_]*"
BETWEEN_WORDS = re.compile(r"(?:[ \t]|\\\n|#[^\n]*)+")
END_OF_COMMAND = re.compile(r"[;\n]")
CONTINUATION = re.compile(r"\\\n")
# A name may go on in the next line, for bash takes the continuation out before it reads words.
REFERENCE = re.compile(rf"\$(?:([A-Za-z_](?:[A-Za-z0-9_]|\\\n)*)|\{{({NAME})(\}}|:?-))")
NEEDS_SHELL = re.compile(r"\$(?:[({\[0-9?!#@*$-]|\\\n)")
# For each place: what is plain text there, and what a backslash takes the meaning from.
OUTSIDE = re.compile(r"[^ \t\n;'\"\\$`|&<>(){~]+"), re.compile(r"\\(.|\Z)", re.DOTALL)
SINGLE_QUOTES = re.compile(r"[^']+"), re.compile(r"(?!)")
DOUBLE_QUOTES = re.compile(r'[^"\\$`]+'), re.compile(r'\\([\\$`"])')
DEFAULT = re.compile(r"[^'\"\\$`{}~]+"), OUTSIDE[1]
DEFAULT_IN_QUOTES = re.compile(r"[^'\"\\$`{}]+"), re.compile(r'\\([\\$`"}])')
Place = tuple[re.Pattern[str], re.Pattern[str]]


@dataclass(frozen=True)
class Openrc:
    """What sourcing the file would do to the variables whose names begin with OS_.

    variables: what it exports. Not in the repr, for there are passwords in it.
    asked: what it exports after asking for it with `read`; usually OS_PASSWORD.
    unset: what it takes away.
    """

    variables: dict[str, str] = field(repr=False)
    asked: frozenset[str]
    unset: frozenset[str]


def read(path: str | PathLike[str], environment: Mapping[str, str] = {}) -> Openrc:
    """The OS_* variables that an openrc file would export, ask for and unset.

    path: the file that the dashboard gives out under API Access; `~` is the home folder.
    environment: the variables that the file may refer to, such as os.environ.

    Raises ConfigurationError, with the line number, where the file needs a shell: a command, a
    pipe, `$(…)`. Nothing is run and no request is made.
    """
    text = _text(path)
    shell = _Shell(environment)
    try:
        for command in _Scanner(text, shell.values).commands():
            shell.run(command)
        shell.end()
    except _RefusedError as refused:
        message = f"{path}, line {refused.line}: {refused.what}"
        raise ConfigurationError(message, hint=refused.hint) from None
    found = shell.result()
    if shell.named and not (found.variables or found.asked or found.unset):
        raise ConfigurationError(
            f"{path} sets {min(shell.named)}, but exports nothing.",
            hint="Write `export` before each name, as in the file that the dashboard gives out.",
        )
    return found


def _text(path: str | PathLike[str]) -> str:
    try:
        file = Path(path).expanduser()
        if file.exists() and not file.is_file():
            raise ConfigurationError(f"{path} is not a file; an openrc file is needed.")
        with file.open("rb") as opened:
            content = opened.read(FILE_LIMIT + 1)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"There is no openrc file {path}.",
            hint="The dashboard gives it out under API Access; a relative path starts at "
            f"{files.here() or 'the current folder, which is gone'}.",
        ) from error
    except (OSError, ValueError, RuntimeError) as error:  # a bad name; `~name` of nobody
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path} cannot be read: {why}.") from error
    if len(content) > FILE_LIMIT:
        raise ConfigurationError(f"{path} is larger than 1 MiB; that is no openrc file.")
    if b"\0" in content:
        raise ConfigurationError(f"{path} is not a text file.")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    # Raised out here, unchained: the decoder's exception holds the file, and so the password.
    raise ConfigurationError(f"{path}, line {line}: not UTF-8 text.", hint="Save it as UTF-8.")


class _RefusedError(Exception):
    def __init__(self, line: int, what: str, hint: str = PLAIN_VALUE) -> None:
        super().__init__(what)
        self.line, self.what, self.hint = line, what, hint


@dataclass(frozen=True)
class _Word:
    """A word of a command, its references replaced and its quotes taken off."""

    line: int
    text: str
    bare: str  # the part of the file's own text before the first quote or reference
    loose: str  # what stands outside quotes, for which the shell has further plans
    quoted: bool

    @property
    def plain(self) -> str:
        """The word if it is nothing but bare text, as keywords and commands are; else ""."""
        return self.text if self.text == self.bare and not self.quoted else ""

    def assignment(self) -> tuple[str, str] | None:
        """Name and value of `NAME=value`, or None."""
        match = re.match(f"({NAME})=", self.bare or (self.text if not self.loose else ""))
        return (match[1], self.text[match.end() :]) if match else None


class _Scanner:
    """Cuts the text into commands, each a list of words.

    A command must have been run before the next one is taken: references are replaced by `values`
    as the words are read.
    """

    def __init__(self, text: str, values: Mapping[str, str]) -> None:
        self.text, self.values = text, values
        self.at, self.line, self.nesting = 0, 1, 0

    def commands(self) -> Iterator[list[_Word]]:
        """A keyword, and each assignment that stands before a command, come as one of their own."""
        words: list[_Word] = []
        begun = assigned = False
        while self.next():
            if self.take(BETWEEN_WORDS):
                continue
            if end := self.take(END_OF_COMMAND):
                if end[0] == ";" and not begun:
                    raise _RefusedError(self.line, "a `;` with nothing before it.")
                if words:
                    yield words
                words, begun, assigned = [], False, False
                continue
            word, begun = self.word(), True
            if not words and word.bare and word.assignment():
                assigned = True
                yield [word]
            elif assigned:
                what = "more words after a value. A value with spaces needs quotes."
                raise _RefusedError(word.line, what)
            elif not words and word.plain in KEYWORDS:
                yield [word]
            else:
                words.append(word)
        if words:
            yield words

    def word(self) -> _Word:
        """The word that begins here. It ends at a blank or at the end of the command."""
        line, bare, quoted = self.line, None, False
        parts: list[str] = []
        loose: list[str] = []
        while (character := self.next()) and character not in " \t\n;":
            if character in "|&<>(){":
                raise _RefusedError(self.line, f"`{character}` outside quotes needs a shell.")
            if character in "\\'\"$" and not CONTINUATION.match(self.text, self.at):
                bare = self.joined(parts) if bare is None else bare
                quoted = quoted or character != "$"
            part = self.tilde(parts, bare is None) if character == "~" else self.part(OUTSIDE)
            parts += [part] if part else []
            loose += [part] if character not in "\\'\"" else []
        text = self.joined(parts)
        return _Word(line, text, text if bare is None else bare, self.joined(loose), quoted)

    def part(self, place: Place) -> str:
        """The next bit of a word: plain text, what follows a backslash, a reference or a quote."""
        text, escape = place
        if match := self.take(text):
            return match[0]
        if self.take(CONTINUATION):
            return ""
        if match := self.take(escape):
            return match[1] or "\\"
        character = self.next()
        if character == "`":
            raise _RefusedError(self.line, "a backtick would run a command.")
        if character == "$":
            return self.reference(in_quotes=place in (DOUBLE_QUOTES, DEFAULT_IN_QUOTES))
        if character in "'\"":
            return self.quote(character)
        self.at += 1
        return character

    def quote(self, mark: str) -> str:
        line = self.line
        self.at += 1
        parts: list[str] = []
        while (character := self.next()) and character != mark:
            parts.append(self.part(SINGLE_QUOTES if mark == "'" else DOUBLE_QUOTES))
        if not character:
            what = f"the {mark} quote that begins here never ends."
            raise _RefusedError(line, what, "Close the quote.")
        self.at += 1
        return self.joined(parts)

    def reference(self, in_quotes: bool) -> str:
        if match := self.take(REFERENCE):
            name = match[2] or match[1].replace("\\\n", "")
            if name in SHELL_VARIABLES:
                raise _RefusedError(self.line, f"`${name}` needs a shell.")
            value = self.values.get(name)
            if match[3] not in ("-", ":-"):
                return value or ""
            default = self.default(DEFAULT_IN_QUOTES if in_quotes else DEFAULT)
            return default if value is None or (value == "" and match[3] == ":-") else value
        sign = self.text[self.at : self.at + 2]
        if NEEDS_SHELL.match(self.text, self.at) or (sign in ("$'", '$"') and not in_quotes):
            sign += {"(": "…)", "{": "…}", "[": "…]"}.get(sign[1], "")
            raise _RefusedError(self.line, f"`{sign}` needs a shell.")
        self.at += 1
        return "$"

    def default(self, place: Place) -> str:
        line, parts = self.line, [""]
        refused = ("", "{", "'", '"') if place is DEFAULT_IN_QUOTES else ("", "{", "~")
        self.nesting += 1
        while (character := self.next()) != "}":
            if character in refused or self.nesting > NESTING_LIMIT:
                raise _RefusedError(line, "`${…}` holds more than a name and a plain default.")
            parts.append(self.part(place))
        self.nesting -= 1
        self.at += 1
        return self.joined(parts)

    def tilde(self, before: list[str], all_bare: bool) -> str:
        """`NAME=~/…` is in the home folder. Elsewhere in a value `~` may be somebody's folder."""
        self.at += 1
        at_start = all_bare and len(before) == 1 and re.fullmatch(f"{NAME}=", before[0])
        if at_start and self.next() in "/ \t\n;":
            try:
                return self.values.get("HOME") or str(Path.home())
            except RuntimeError:
                raise _RefusedError(self.line, "`~` names no folder: HOME is not set.") from None
        if not before or before[-1][-1] in ":=":
            raise _RefusedError(self.line, "`~` outside quotes may name a folder.")
        return "~"

    def joined(self, parts: list[str]) -> str:
        if sum(map(len, parts)) > VALUE_LIMIT:
            raise _RefusedError(self.line, f"a value longer than {VALUE_LIMIT} characters.")
        return "".join(parts)

    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
            self.line += match[0].count("\n")
        return match


@dataclass
class _If:
    """An `if` whose `fi` has not come yet."""

    line: int
    over: bool  # no other branch will run
    runs: bool = False  # the commands of the present branch run
    awaits: str = "test"  # then "then", then "else", then "fi"


class _Shell:
    """Does to variables what bash would do, and refuses every other command."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.values = dict(environment)
        self.exported = set(environment)
        self.named: set[str] = set()  # OS_* names that the file sets or exports
        self.unset: set[str] = set()
        self.exports_all = False
        self.ifs: list[_If] = []

    def result(self) -> Openrc:
        names = self.named & self.exported & set(self.values)
        return Openrc(
            {name: self.values[name] for name in sorted(names) if self.values[name] != TYPED},
            asked=frozenset(name for name in names if self.values[name] == TYPED),
            unset=frozenset(name for name in self.unset if name.startswith("OS_")),
        )

    def run(self, words: list[_Word]) -> None:
        branch = self.ifs[-1] if self.ifs else _If(0, over=False, runs=True, awaits="nothing")
        if words[0].plain in KEYWORDS:
            self.keyword(words[0], branch)
        elif branch.awaits == "test":
            branch.runs = not branch.over and self.holds(words)
            branch.over |= branch.runs
            branch.awaits = "then"
        elif branch.awaits == "then":
            raise _RefusedError(words[0].line, "a `then` is missing here.", "Complete the `if`.")
        elif branch.runs:
            self.command(words)

    def keyword(self, word: _Word, branch: _If) -> None:
        match word.plain, branch.awaits:
            case "if", "else" | "fi" | "nothing":
                self.ifs.append(_If(word.line, over=not branch.runs))
            case "then", "then":
                branch.awaits = "else"
            case "elif", "else":
                branch.awaits = "test"
            case "else", "else":
                branch.runs, branch.over, branch.awaits = not branch.over, True, "fi"
            case "fi", "else" | "fi":
                self.ifs.pop()
            case _:
                what = f"`{word.plain}` is out of place here."
                raise _RefusedError(word.line, what, "Complete the `if`.")

    def end(self) -> None:
        if self.ifs:
            what = "the `if` that begins here has no `fi`."
            raise _RefusedError(self.ifs[-1].line, what, "Complete the `if`.")

    def holds(self, words: list[_Word]) -> bool:
        """Whether `[ … ]` or `[[ … ]]` is true. What the user types is taken to be not empty."""
        brackets = words[0].plain, words[-1].plain
        if brackets in (("[", "]"), ("[[", "]]")):
            match _tested(words[1:-1], splits=brackets == ("[", "]")):
                case [text] | ["-n", text]:
                    return text != ""
                case ["-z", text]:
                    return text == ""
                case [left, "=" | "==" | "!=" as sign, right] if TYPED not in left + right:
                    return (left == right) == (sign != "!=")
        raise _RefusedError(words[0].line, "a test other than -z, -n, = and != of plain values.")

    def command(self, words: list[_Word]) -> None:
        first, *rest = words
        if first.bare and (assignment := first.assignment()):
            self.assign(first.line, *assignment)
            return
        match [first.plain, *(word.text for word in rest)]:
            case ["export", *_]:
                self.export(rest)
            case ["unset", *names]:
                for name in names:
                    self.take_away(first.line, name)
            case ["read", *arguments]:
                self.assign(first.line, _read_into(first.line, arguments), TYPED)
            case ["set", "-a"] | ["set", "-o", "allexport"]:
                self.exports_all = True
            case ["set", "+a"] | ["set", "+o", "allexport"]:
                self.exports_all = False
            case ["set", *_]:
                raise _RefusedError(first.line, "`set` with more than -a or +a.")
            case ["echo" | ":", *_]:
                pass
            case [command, *_]:
                named = f"`{command}`" if command in COMMANDS else "this command"
                raise _RefusedError(first.line, f"{named} needs a shell.")

    def assign(self, line: int, name: str, value: str) -> None:
        if TYPED in value and value != TYPED:
            raise _RefusedError(line, "a value joins what is typed in with other text.")
        self.values[name] = value
        self.unset.discard(name)
        self.note(name, exported=self.exports_all)

    def export(self, words: list[_Word]) -> None:
        for word in words:
            name, *_ = assignment = word.assignment() or (word.text,)
            if not _is_name(name):
                raise _RefusedError(word.line, "something that is not a name follows `export`.")
            if len(assignment) == 2:
                self.assign(word.line, *assignment)
            self.note(name, exported=True)

    def take_away(self, line: int, name: str) -> None:
        if not _is_name(name):
            raise _RefusedError(line, "something that is not a name follows `unset`.")
        self.values.pop(name, None)
        self.exported.discard(name)
        self.unset.add(name)

    def note(self, name: str, *, exported: bool) -> None:
        if name.startswith("OS_"):
            self.named.add(name)
        if exported:
            self.exported.add(name)


def _is_name(text: str) -> bool:
    return re.fullmatch(NAME, text) is not None


def _read_into(line: int, arguments: list[str]) -> str:
    """The name that `read` reads into, past its options -s, -r and -p with a prompt."""
    rest = iter(arguments)
    names = []
    for argument in rest:
        option = re.fullmatch("-(?:[sr]+|[sr]*p(.*))", argument, re.DOTALL)
        if option is None:
            names.append(argument)
        elif option[1] == "":
            next(rest, None)  # the prompt is the next word
    if len(names) != 1 or not _is_name(names[0]):
        raise _RefusedError(line, "`read` with more than -s, -r, -p and one name.")
    return names[0]


def _tested(words: list[_Word], *, splits: bool) -> list[str]:
    """The operands and the operator of a test; single brackets split what is not in quotes."""
    for word in words:
        if re.search(r"[*?\[\\\s]" if splits else r"[*?\[\\]", word.loose):
            what = "a value with blanks or patterns stands without quotes in a test."
            raise _RefusedError(word.line, what, 'Put it in double quotes: "$NAME".')
    return [word.text for word in words if word.text or word.quoted or not splits]

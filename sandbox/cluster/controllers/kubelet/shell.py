"""A shell small enough to read: what containers of the simulated nodes can say and do.

Scripts become *steps*: text on one of two channels, or seconds of sleep, and an exit code. Known:
`;` `&&` `||` newlines, `$VAR`, quotes, `if`, `while`/`until`/`for` loops, and the commands in
`commands.SIMPLE`; of a pipe only the first command runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .commands import ONE_SHOT, SERVERS, SIMPLE, arithmetic, duration
from .machine import FOREVER, Exit, Machine, Say, Step, Wait

LONGEST_LOOP = 100_000


def run(argv: list[str], machine: Machine) -> Iterator[Step]:
    """Steps of a command; its exit code is left in `machine.last`."""
    try:
        yield from _program(argv, machine)
    except Exit as done:
        machine.last = done.code


def _program(argv: list[str], machine: Machine) -> Iterator[Step]:
    name = argv[0].rsplit("/", 1)[-1]
    if name in {"sh", "bash", "ash", "dash"}:
        if "-c" in argv or any(a.startswith("-") and a.endswith("c") for a in argv[1:]):
            script = next((a for a in argv[1:] if not a.startswith("-")), "")
            yield from _script(script, machine)
        else:
            machine.last = 0
        return
    yield from _command(argv, machine)


def _script(text: str, machine: Machine) -> Iterator[Step]:
    yield from _block(_words(text), machine)


_TOKEN = re.compile(
    r"""\n | ;;? | [12]?>&[12] | [12&]?>>?[ ]*[^\s;&|]+ | && | \|\| | \| | &"""
    r"""| (?: "(?:\\.|[^"\\])*" | '[^']*' | \$\([^)]*\) | \\. | [^\s;&|"'\\>] )+""",
    re.VERBOSE,
)


def _words(text: str) -> list[str]:
    """Tokens; operators stand alone, quoting is kept for `_expand`."""
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return [";" if word == "\n" else word for word in _TOKEN.findall(text)]


def _block(words: list[str], machine: Machine) -> Iterator[Step]:
    run_next = True
    place = 0
    while place < len(words):
        word = words[place]
        if word in {";", "&"}:
            run_next = True
            place += 1
        elif word in {"&&", "||"}:
            run_next = (machine.last == 0) == (word == "&&")
            place += 1
        else:
            end = _statement_end(words, place)
            if run_next:
                yield from _statement(words[place:end], machine)
            place = end


_OPEN = {"while": "done", "until": "done", "for": "done", "if": "fi"}


def _statement_end(words: list[str], place: int) -> int:
    depth = 0
    while place < len(words):
        word = words[place]
        if word in _OPEN:
            depth += 1
        elif word in {"done", "fi"}:
            depth -= 1
        elif depth == 0 and word in {";", "&&", "||", "&"}:
            return place
        place += 1
    return place


def _statement(words: list[str], machine: Machine) -> Iterator[Step]:
    if words[0] in {"while", "until"}:
        yield from _while(words, machine)
    elif words[0] == "for":
        yield from _for(words, machine)
    elif words[0] == "if":
        yield from _if(words, machine)
    else:
        yield from _simple(words, machine)


def _body(words: list[str], start: str, end: str) -> tuple[list[str], list[str]]:
    """(words before `start`, words between `start` and the last `end`)."""
    first = words.index(start) if start in words else len(words) - 1
    last = len(words) - 1 - words[::-1].index(end) if end in words else len(words)
    return words[1:first], words[first + 1 : last]


def _while(words: list[str], machine: Machine) -> Iterator[Step]:
    test, body = _body(words, "do", "done")
    wanted = words[0] == "while"
    for _ in range(LONGEST_LOOP):
        yield from _block(test, machine)
        if (machine.last == 0) != wanted:
            machine.last = 0
            return
        yield from _block(body, machine)
    yield Wait(FOREVER)


def _for(words: list[str], machine: Machine) -> Iterator[Step]:
    head, body = _body(words, "do", "done")
    values = [v for word in head[2:] if word != ";" for v in _expand(word, machine).split()]
    for value in values[:LONGEST_LOOP]:
        machine.variables[head[0]] = value
        yield from _block(body, machine)


def _if(words: list[str], machine: Machine) -> Iterator[Step]:
    test, body = _body(words, "then", "fi")
    yes, no = body, list[str]()
    if "else" in body:
        cut = body.index("else")
        yes, no = body[:cut], body[cut + 1 :]
    yield from _block(test, machine)
    yield from _block(yes if machine.last == 0 else no, machine)


def _simple(words: list[str], machine: Machine) -> Iterator[Step]:
    if "|" in words:
        words = words[: words.index("|")]
    argv = [_expand(word, machine) for word in words if not _REDIRECTION.match(word)]
    redirections = [word for word in words if _REDIRECTION.match(word)]
    assignment = re.match(r"^([A-Za-z_]\w*)=(.*)$", argv[0], re.DOTALL) if argv else None
    if assignment:
        machine.variables[assignment[1]] = assignment[2]
        machine.last = 0
        return
    for step in _program(argv, machine) if argv else ():
        kept = _redirected(step, redirections)
        if kept is not None:
            yield kept


_REDIRECTION = re.compile(r"^[12&]?>")


def _redirected(step: Step, redirections: list[str]) -> Step | None:
    """The step on the channel that the redirections choose; None when it goes to a file."""
    for word in redirections:
        if not isinstance(step, Say):
            return step
        source = 2 if word.startswith("2") else 1
        if step.channel != source and not word.startswith("&"):
            continue
        if ">&" not in word:
            return None
        step = Say(int(word[-1]), step.text)
    return step


def _expand(word: str, machine: Machine) -> str:
    parts = []
    for piece in re.findall(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^'"\\]+""", word):
        if piece.startswith("'"):
            parts.append(piece[1:-1])
        elif piece.startswith("\\"):
            parts.append(piece[1:])
        else:
            parts.append(_substitute(piece.strip('"'), machine))
    return "".join(parts)


def _substitute(text: str, machine: Machine) -> str:
    def inner(found: re.Match[str]) -> str:
        steps = _script(found[1], machine)
        return "".join(s.text for s in steps if isinstance(s, Say)).rstrip("\n")

    text = re.sub(r"\$\(\(([^)]*)\)\)", lambda m: arithmetic(m[1], machine), text)
    text = re.sub(r"(?:\$\(([^)]*)\))", inner, text)
    text = re.sub(r"`([^`]*)`", inner, text)
    name = r"\$\{([A-Za-z_]\w*|\?)(?::-[^}]*)?\}|\$([A-Za-z_]\w*|\?)"
    return re.sub(name, lambda m: machine.value(m[1] or m[2]), text)


def _command(argv: list[str], machine: Machine) -> Iterator[Step]:
    name, args = argv[0].rsplit("/", 1)[-1], argv[1:]
    machine.last = 0
    if name == "exit":
        raise Exit(int(args[0]) if args and args[0].isdigit() else machine.last)
    if name == "exec":
        yield from _program(args, machine) if args else ()
    elif name == "sleep":
        yield Wait(duration(args))
    elif name in SERVERS and not ONE_SHOT & set(args):
        yield Wait(FOREVER)
    elif name == "seq":
        yield Say(1, "".join(f"{n}\n" for n in range(1, int(args[-1]) + 1)))
    elif name in SIMPLE:
        code, steps = SIMPLE[name](args, machine)
        machine.last = code
        yield from steps
    else:
        machine.last = 127
        yield Say(2, f"sh: {argv[0]}: not found\n")

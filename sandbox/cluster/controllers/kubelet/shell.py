"""A shell small enough to read: what containers of the simulated nodes can say and do.

Scripts become *steps*: text on one of two channels, or seconds of sleep, and an exit code. Known:
`;` `&&` `||` newlines, `$VAR`, quotes, `if`, `while`/`until`/`for` loops, and the commands in
`_SIMPLE`; of a pipe only the first command runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..timing import stamp

FOREVER = 10.0**9
LONGEST_LOOP = 100_000
_SERVERS = {"tail", "nginx", "httpd", "python", "python3", "node", "java", "redis-server"}
_ONE_SHOT = {"-s", "-v", "-V", "-t", "-T", "--version", "-version"}


class Say(NamedTuple):
    """Text written to stdout (1) or stderr (2)."""

    channel: int
    text: str


class Wait(NamedTuple):
    """Seconds that pass."""

    seconds: float


Step = Say | Wait


class Exit(Exception):
    """`exit N`."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


@dataclass
class Machine:
    """What a command sees of its container."""

    env: dict[str, str]
    files: Mapping[str, str]
    hostname: str
    now: Callable[[], float]
    processes: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    last: int = 0

    def value(self, name: str) -> str:
        """A shell variable, then the environment."""
        if name == "?":
            return str(self.last)
        return self.variables.get(name, self.env.get(name, ""))


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


def _words(text: str) -> list[str]:
    """Tokens; operators stand alone, quoting is kept for `_expand`."""
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    pattern = (
        r"""\n|;;|;|&&|\|\||\||&>?|(?:"(?:\\.|[^"\\])*"|'[^']*'|\$\([^)]*\)|\\.|[^\s;&|"'\\])+"""
    )
    return [";" if word == "\n" else word for word in re.findall(pattern, text)]


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
    argv, silent = [], False
    for word in words:
        if re.match(r"^[12&]?>", word):
            silent = True
        elif not (silent and argv and not word.startswith("-") and word.startswith("/")):
            argv.append(_expand(word, machine))
    assignment = re.match(r"^([A-Za-z_]\w*)=(.*)$", argv[0], re.DOTALL) if argv else None
    if assignment:
        machine.variables[assignment[1]] = assignment[2]
        machine.last = 0
        return
    for step in _program(argv, machine) if argv else ():
        if not (silent and isinstance(step, Say)):
            yield step


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

    text = re.sub(r"\$\(\(([^)]*)\)\)", lambda m: _arithmetic(m[1], machine), text)
    text = re.sub(r"(?:\$\(([^)]*)\))", inner, text)
    text = re.sub(r"`([^`]*)`", inner, text)
    name = r"\$\{([A-Za-z_]\w*|\?)(?::-[^}]*)?\}|\$([A-Za-z_]\w*|\?)"
    return re.sub(name, lambda m: machine.value(m[1] or m[2]), text)


def _arithmetic(text: str, machine: Machine) -> str:
    known = re.sub(r"\$?([A-Za-z_]\w*)", lambda m: machine.value(m[1]) or "0", text)
    found = re.fullmatch(r"\s*(-?\d+)\s*(?:([-+*/%])\s*(-?\d+)\s*)?", known)
    if found is None:
        return "0"
    if found[2] is None:
        return found[1]
    return str(_calculate(int(found[1]), found[2], int(found[3])))


def _calculate(left: int, operator: str, right: int) -> int:
    if operator in "/%" and right == 0:
        return 0
    results = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left // right,
        "%": lambda: left % right,
    }
    return results[operator]()


def _command(argv: list[str], machine: Machine) -> Iterator[Step]:
    name, args = argv[0].rsplit("/", 1)[-1], argv[1:]
    machine.last = 0
    if name == "exit":
        raise Exit(int(args[0]) if args and args[0].isdigit() else machine.last)
    if name == "exec":
        yield from _program(args, machine) if args else ()
    elif name == "sleep":
        yield Wait(_duration(args))
    elif name in _SERVERS and not _ONE_SHOT & set(args):
        yield Wait(FOREVER)
    elif name == "seq":
        yield Say(1, "".join(f"{n}\n" for n in range(1, int(args[-1]) + 1)))
    elif name in _SIMPLE:
        code, steps = _SIMPLE[name](args, machine)
        machine.last = code
        yield from steps
    else:
        machine.last = 127
        yield Say(2, f"sh: {argv[0]}: not found\n")


def _duration(args: list[str]) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    total = 0.0
    for arg in args:
        if arg in {"infinity", "inf"}:
            return FOREVER
        digits, unit = (arg[:-1], units[arg[-1]]) if arg[-1:] in units else (arg, 1)
        try:
            total += float(digits) * unit
        except ValueError:
            return 0.0
    return total


Result = tuple[int, list[Step]]


def _out(text: str, code: int = 0) -> Result:
    return code, [Say(1, text)] if text else []


def _echo(args: list[str], _: Machine) -> Result:
    newline = "\n"
    while args and args[0] in {"-n", "-e", "-ne", "-en"}:
        newline = "" if "n" in args[0] else newline
        args = args[1:]
    return _out(" ".join(args) + newline)


def _printf(args: list[str], _: Machine) -> Result:
    text = (args[0] if args else "").replace("\\n", "\n").replace("\\t", "\t")
    for value in args[1:]:
        text = re.sub(r"%[sdi]", lambda _m, v=value: v, text, count=1)
    return _out(text)


def _date(args: list[str], machine: Machine) -> Result:
    now = machine.now()
    if "+%s" in args:
        return _out(f"{int(now)}\n")
    return _out(stamp(now).replace("T", " ").replace("Z", " UTC") + "\n")


def _env(args: list[str], machine: Machine) -> Result:
    if args:
        value = machine.env.get(args[0])
        return _out(f"{value}\n") if value is not None else _out("", 1)
    return _out("".join(f"{k}={v}\n" for k, v in machine.env.items()))


def _cat(args: list[str], machine: Machine) -> Result:
    steps: list[Step] = []
    code = 0
    for path in args:
        if path in machine.files:
            steps.append(Say(1, machine.files[path]))
        else:
            code = 1
            steps.append(Say(2, f"cat: {path}: No such file or directory\n"))
    return code, steps


_ROOT = [
    "bin",
    "dev",
    "etc",
    "home",
    "lib",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "var",
]


def _ls(args: list[str], machine: Machine) -> Result:
    path = next((a for a in args if not a.startswith("-")), "/").rstrip("/")
    if path in machine.files:
        return _out(f"{path}\n")
    prefix = path + "/"
    names = {f[len(prefix) :].split("/")[0] for f in machine.files if f.startswith(prefix)}
    if not path:
        names |= set(_ROOT)
    if names or path.strip("/") in _ROOT:
        return _out("".join(f"{name}\n" for name in sorted(names)))
    return 1, [Say(2, f"ls: {path}: No such file or directory\n")]


def _processes(_: list[str], machine: Machine) -> Result:
    rows = [f"{n:>5} root      0:00 {line}\n" for n, line in enumerate(machine.processes, 1)]
    return _out("  PID USER     TIME  COMMAND\n" + "".join(rows))


def _test(args: list[str], machine: Machine) -> Result:
    args = [a for a in args if a != "]"]
    if len(args) == 2 and args[0] in {"-f", "-e", "-d", "-r"}:
        return 0 if args[1] in machine.files else 1, []
    if len(args) == 2:
        return int((args[0] == "-z") == bool(args[1])), []
    if len(args) != 3:
        return 0 if args and args[0] else 1, []
    return 0 if _holds(*args) else 1, []


def _holds(left: str, operator: str, right: str) -> bool:
    if operator in {"=", "=="}:
        return left == right
    if operator == "!=":
        return left != right
    try:
        a, b = int(left), int(right)
    except ValueError:
        return False
    return {
        "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b, "-eq": a == b, "-ne": a != b,
    }.get(operator, False)  # fmt: skip


_NVIDIA = "\n".join(
    (
        "+---------------------------------------------------------------------------+",
        "| NVIDIA-SMI 440.33.01    Driver Version: 440.33.01    CUDA Version: 10.2   |",
        "|   0  Tesla P100-PCIE...  Off  | 00000000:00:08.0 Off |                  0 |",
        "+---------------------------------------------------------------------------+",
        "",
    )
)

_SIMPLE: dict[str, Callable[[list[str], Machine], Result]] = {
    "echo": _echo,
    "printf": _printf,
    "date": _date,
    "env": _env,
    "printenv": _env,
    "cat": _cat,
    "ls": _ls,
    "ps": _processes,
    "test": _test,
    "[": _test,
    "hostname": lambda _, m: _out(f"{m.hostname}\n"),
    "whoami": lambda _, __: _out("root\n"),
    "id": lambda _, __: _out("uid=0(root) gid=0(root) groups=0(root)\n"),
    "pwd": lambda _, __: _out("/\n"),
    "nproc": lambda _, __: _out("2\n"),
    "uname": lambda a, m: _out(f"Linux {m.hostname} 5.10.134 x86_64\n" if a else "Linux\n"),
    "nvidia-smi": lambda _, __: _out(_NVIDIA),
    "expr": lambda a, m: _out(_arithmetic(" ".join(a).replace("\\", ""), m) + "\n"),
    **dict.fromkeys(
        (
            "true",
            ":",
            "set",
            "export",
            "trap",
            "kill",
            "cd",
            "mkdir",
            "touch",
            "rm",
            "nginx",
            "wait",
        ),
        lambda _, __: (0, []),
    ),
    "false": lambda _, __: (1, []),
}

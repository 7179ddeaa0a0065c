"""A shell just large enough for the commands people put into pods.

Commands are not executed: each is turned into a ``Run`` (duration, exit code, printed lines).
Understood: sequences with ``;``, ``&&``, ``||`` and newlines, endless ``while`` loops, ``for``
loops over words, ``$NAME`` and the usual small programs.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

UNKNOWN = -1.0
"""Duration of a program nobody knows: the caller decides how long it runs."""

MAX_LOOP = 10_000
PI = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803"


@dataclass(frozen=True)
class Repeat:
    """Lines printed again and again: every ``period`` seconds from ``start`` on."""

    period: float
    lines: tuple[str, ...]
    start: float = 0.0


@dataclass(frozen=True)
class Run:
    """One program's life. ``seconds`` is None when it runs until it is stopped."""

    seconds: float | None
    exit_code: int = 0
    lines: tuple[tuple[float, str], ...] = ()
    repeat: Repeat | None = None
    exits: bool = False

    @property
    def output(self) -> str:
        """Everything a program that ends prints."""
        return "".join(f"{line}\n" for _, line in self.lines)

    def scaled(self, speed: float) -> "Run":
        """Return the same life, ``speed`` times as fast."""
        if speed == 1.0:
            return self
        lines = tuple((at / speed, line) for at, line in self.lines)
        seconds = self.seconds
        if seconds is not None and seconds != UNKNOWN:
            seconds /= speed
        return replace(self, seconds=seconds, lines=lines)


Env = Mapping[str, str]
_LOOP = re.compile(
    r"^(?P<before>.*?)(?:^|[;\n&]|\s)while\s+(?P<test>true|:|\[\s*1\s*\]|sleep\s+\S+)\s*[;\n]+\s*"
    r"do\s(?P<body>.*)[;\n]\s*done\b.*$",
    re.DOTALL,
)
_FOR = re.compile(
    r"for\s+(?P<name>\w+)\s+in\s+(?P<words>.*?)\s*[;\n]\s*do\s(?P<body>.*?)[;\n]\s*done\b",
    re.DOTALL,
)
_SERVERS_TEXT = """
nginx httpd redis-server mysqld postgres mongod memcached tail java node gunicorn uvicorn
apache2-foreground pause sshd haproxy caddy serve-hostname http-echo cat-forever
"""
_SERVERS = frozenset(_SERVERS_TEXT.split())
_QUIET_TEXT = """
true : cd export set trap mkdir touch chmod chown rm cp mv wait sync test [ ls cat kill
apk apt-get pip curl wget grep id
"""
_QUIET = frozenset(_QUIET_TEXT.split())


def run(argv: list[str], env: Env) -> Run:
    """Return what a container whose entry point is ``argv`` does."""
    name = argv[0].rsplit("/", 1)[-1]
    if name in {"sh", "bash", "ash", "dash"}:
        options = [i for i, word in enumerate(argv[1:], 1) if re.fullmatch(r"-\w*c", word)]
        if options and len(argv) > options[0] + 1:
            return script(argv[options[0] + 1], env)
        return Run(0.0)
    return _program(name, argv[1:], env)


def script(text: str, env: Env) -> Run:
    """Return what a script does."""
    text = _FOR.sub(lambda found: _unroll(found, env), text)
    loop = _LOOP.match(text)
    if loop is None:
        return _sequence(text, env)
    before = _sequence(loop["before"], env)
    if before.exits or before.seconds in {None, UNKNOWN}:
        return before
    pause = f"{loop['test']}; " if loop["test"].startswith("sleep") else ""
    body = script(pause + loop["body"], env)
    if body.exits:
        return _join(before, body)
    period = 10.0 if body.seconds == UNKNOWN else max(body.seconds or 0.0, 0.2)
    lines = tuple(line for _, line in body.lines)
    return replace(
        before, seconds=None, exit_code=137, repeat=Repeat(period, lines, before.seconds or 0.0)
    )


def _unroll(found: re.Match[str], env: Env) -> str:
    words: list[str] = []
    for word in _expand(found["words"], env).split():
        span = re.fullmatch(r"\{(\d+)\.\.(\d+)\}", word)
        words += map(str, range(int(span[1]), int(span[2]) + 1)) if span else [word]
    name = re.escape(found["name"])
    pattern = re.compile(rf"\$\{{{name}\}}|\${name}\b")
    body = found["body"]
    bodies = (pattern.sub(word.replace("\\", r"\\"), body) for word in words[:MAX_LOOP])
    return " ; ".join(bodies) or ":"


def _expand(text: str, env: Env) -> str:
    text = re.sub(
        r"\$\(\s*seq\s+(\d+)(?:\s+(\d+))?\s*\)|`seq\s+(\d+)`",
        lambda m: " ".join(
            map(str, range(int(m[1]) if m[2] else 1, int(m[2] or m[1] or m[3]) + 1)[:MAX_LOOP])
        ),
        text,
    )
    text = re.sub(r"\$\(\s*date[^)]*\)|`date[^`]*`", "{date}", text)
    text = re.sub(r"\$\(\s*hostname\s*\)", env.get("HOSTNAME", "localhost"), text)
    return re.sub(
        r"\$\{(\w+)\}|\$(\w+)", lambda m: env.get(m[1] or m[2], ""), text.replace("$$", "1")
    )


def _sequence(text: str, env: Env) -> Run:
    lexer = shlex.shlex(text.replace("\n", " ; "), posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return Run(0.0, 2, ((0.0, "sh: syntax error: unterminated quoted string"),), exits=True)
    whole, command, joint = Run(0.0), list[str](), ";"
    for word in [*words, ";"]:
        if not set(word) <= set(";&|") or not word:
            command.append(word)
            continue
        if command and _proceeds(joint, whole.exit_code):
            whole = _join(whole, _simple(command, env))
            if whole.exits or whole.seconds is None or whole.seconds == UNKNOWN:
                return whole
        joint, command = word, []
    return whole


def _proceeds(joint: str, code: int) -> bool:
    if joint == "&&":
        return code == 0
    return code != 0 if joint == "||" else True


def _join(first: Run, second: Run) -> Run:
    offset = first.seconds or 0.0
    lines = (*first.lines, *((offset + at, line) for at, line in second.lines))
    forever = second.seconds is None or second.seconds == UNKNOWN
    seconds = second.seconds if forever else offset + (second.seconds or 0.0)
    repeat = second.repeat and replace(second.repeat, start=second.repeat.start + offset)
    return Run(seconds, second.exit_code, lines, repeat, second.exits)


def _simple(words: list[str], env: Env) -> Run:
    assignments = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
    while words and assignments.fullmatch(words[0]):
        words = words[1:]
    if not words:
        return Run(0.0)
    argv = [_expand(word, env) for word in words if not re.fullmatch(r"\d?>.*", word)]
    if argv[0] == "exec" and len(argv) > 1:
        return replace(run(argv[1:], env), exits=True)
    return run(argv, env)


def _program(name: str, args: list[str], env: Env) -> Run:
    builtin = _BUILTINS.get(name)
    if builtin:
        return builtin(args, env)
    if name in _SERVERS:
        return Run(None, 0, ((0.1, f"{name}: ready"),), Repeat(10.0, ("{iso} heartbeat ok",), 10.0))
    if name in _QUIET:
        return Run(0.0)
    return Run(UNKNOWN, 0, ((0.1, f"{name}: started"),), Repeat(10.0, ("{iso} working",), 10.0))


def _echo(args: list[str], _env: Env) -> Run:
    words = args[1:] if args and re.fullmatch(r"-[neE]+", args[0]) else args
    text = " ".join(words)
    return Run(0.0, 0, tuple((0.0, line) for line in text.split("\n")))


def _sleep(args: list[str], _env: Env) -> Run:
    total = 0.0
    for word in args:
        if word == "infinity":
            return Run(None)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", word)
        if not found:
            return Run(0.0, 1, ((0.0, f"sleep: invalid time interval '{word}'"),))
        total += float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return Run(total) if args else Run(0.0, 1, ((0.0, "sleep: missing operand"),))


def _exit(args: list[str], _env: Env) -> Run:
    code = int(args[0]) & 0xFF if args and args[0].isdecimal() else 0
    return Run(0.0, code, exits=True)


def _perl(args: list[str], _env: Env) -> Run:
    lines = ((4.5, PI),) if any("bpi" in word for word in args) else ()
    return Run(5.0 if lines else 1.0, 0, lines)


def _python(args: list[str], _env: Env) -> Run:
    if "-m" in args and "http.server" in args:
        return Run(None, 0, ((0.1, "Serving HTTP on 0.0.0.0 port 8000"),))
    printed = re.findall(r"print\(\s*['\"](.*?)['\"]\s*\)", " ".join(args))
    if "-c" in args:
        code = re.search(r"(?:sys\.)?exit\((\d+)\)", " ".join(args))
        return Run(1.0, int(code[1]) if code else 0, tuple((0.5, line) for line in printed))
    return Run(
        UNKNOWN, 0, ((0.3, f"python: running {' '.join(args)}"),), Repeat(10.0, ("{iso} ok",))
    )


def _nvidia(_args: list[str], _env: Env) -> Run:
    lines = (
        "| NVIDIA-SMI 535.161.08    Driver Version: 535.161.08    CUDA Version: 12.2 |",
        "|   0  Tesla T4             On | 00000000:00:07.0 Off |                    0 |",
    )
    return Run(0.2, 0, tuple((0.1, line) for line in lines))


def _fixed(text: str, code: int = 0) -> Callable[[list[str], Env], Run]:
    return lambda _args, _env: Run(0.0, code, ((0.0, text),))


_BUILTINS: dict[str, Callable[[list[str], Env], Run]] = {
    "echo": _echo,
    "printf": lambda args, env: _echo([args[0].replace("\\n", "").strip()] if args else [], env),
    "sleep": _sleep,
    "exit": _exit,
    "false": lambda _args, _env: Run(0.0, 1),
    "perl": _perl,
    "python": _python,
    "python3": _python,
    "nvidia-smi": _nvidia,
    "date": _fixed("{date}"),
    "whoami": _fixed("root"),
    "pwd": _fixed("/"),
    "uname": _fixed("Linux"),
    "hostname": lambda _args, env: Run(0.0, 0, ((0.0, env.get("HOSTNAME", "localhost")),)),
    "env": lambda _args, env: Run(0.0, 0, tuple((0.0, f"{k}={v}") for k, v in env.items())),
    "seq": lambda args, _env: Run(
        0.0, 0, tuple((0.0, str(i)) for i in range(1, int(args[-1]) + 1)) if args else ()
    ),
    "ls": _fixed("bin  dev  etc  home  lib  proc  root  run  sys  tmp  usr  var"),
    "id": _fixed("uid=0(root) gid=0(root) groups=0(root)"),
    "ps": _fixed("PID   USER     TIME  COMMAND\n    1 root      0:00 entrypoint"),
}

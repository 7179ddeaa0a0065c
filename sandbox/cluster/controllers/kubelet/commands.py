"""The commands that the simulated containers know, one function each."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..timing import stamp
from .machine import FOREVER, Machine, Say, Step

SERVERS = {"tail", "nginx", "httpd", "python", "python3", "node", "java", "redis-server"}
ONE_SHOT = {"-s", "-v", "-V", "-t", "-T", "--version", "-version"}


def arithmetic(text: str, machine: Machine) -> str:
    """A number, or two of them with an operator."""
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


def duration(args: list[str]) -> float:
    """Seconds that `sleep` was asked for."""
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
        text = re.sub(r"%[sdi]", value.replace("\\", r"\\"), text, count=1)
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

SIMPLE: dict[str, Callable[[list[str], Machine], Result]] = {
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
    "expr": lambda a, m: _out(arithmetic(" ".join(a).replace("\\", ""), m) + "\n"),
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

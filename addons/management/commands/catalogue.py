"""Components that can be installed: what there is, and further files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from addons.components.catalogue import CatalogueError, catalogue, import_file, say


class Command(BaseCommand):
    help = "List the components of the catalogue, or import a file of one."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="names, newest versions and the dates of their files")
        importing = actions.add_parser("import", help="check a file and keep a copy of it")
        importing.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            if options["action"] == "import":
                component = import_file(options["file"])
                self.stdout.write(f"{component.name} {component.latest.version} imported")
                return
            for component in catalogue().values():
                self.stdout.write(
                    f"{component.name:<28}{component.latest.version:<32}"
                    f"{component.dated}  {say(component.title)}"
                )
        except CatalogueError as error:
            raise CommandError(str(error)) from error

"""Tables (``meta.k8s.io/v1``): what ``kubectl get`` prints, computed by the server."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.cluster.cells import AGE, Column
from sandbox.cluster.columns import COLUMNS
from sandbox.cluster.resources import Resource

Obj = dict[str, Any]
NAME = Column("Name", lambda o, _: o["metadata"]["name"], format="name")


def columns(resource: Resource, custom: Sequence[Column] = ()) -> tuple[Column, ...]:
    """Return the columns of a kind, Name first."""
    if resource.custom:
        return (NAME, *(custom or (AGE,)))
    return (NAME, *COLUMNS.get(resource.storage, (AGE,)))


def definitions(chosen: Sequence[Column]) -> list[Obj]:
    """Return the columnDefinitions."""
    return [
        {
            "name": column.title,
            "type": column.type,
            "format": column.format,
            "description": column.title,
            "priority": column.priority,
        }
        for column in chosen
    ]


def row(chosen: Sequence[Column], obj: Obj, now: datetime, include: str) -> Obj:
    """Return one row; ``include`` is None, Metadata or Object."""
    made: Obj = {"cells": [column.cell(obj, now) for column in chosen]}
    if include == "Object":
        made["object"] = obj
    elif include != "None":
        made["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return made


def table(rows: list[Obj], listed: list[Obj], meta: Obj) -> Obj:
    """Return a Table with those rows; ``listed`` are its columnDefinitions."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": listed,
        "rows": rows,
    }

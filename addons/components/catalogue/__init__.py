"""The catalogue: every component that can be put into clusters, read from dated files.

`catalogue()` is what there is, `say` gives a text of it in the reader's language. The bundled files
lie beside this one; further ones are imported into the data directory (`manage.py catalogue`).
"""

from addons.components.catalogue.bundled import (
    CatalogueError,
    catalogue,
    import_file,
    localised,
    say,
)

__all__ = ["CatalogueError", "catalogue", "import_file", "localised", "say"]

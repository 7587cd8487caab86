"""The command in a mount namespace: its own small disk, or a machine without rpm."""

from __future__ import annotations

import sys
import textwrap

from citadelle.workspace import ROOT
from tests.airgap._rpms import run
from tests.airgap.conftest import Upstream

SCRIPT = """
    import pathlib, shutil, sys
    from citadelle.airgap import rpms
    from citadelle.airgap.rpms import Request
    from citadelle.airgap.target import Target
    from citadelle.errors import CitadelleError
    from citadelle.progress import Steps
    folder = pathlib.Path(sys.argv[1])
    {before}
    request = Request(Target("9", "x86_64", "17"), folder / "depots.yml", folder / "paquets.yml",
                      folder / "sortie", folder / "cache")
    try:
        rpms.run(request, fetch=True, steps=Steps())
    except CitadelleError as error:
        print("ERREUR", error)
    for path in sorted((folder / "sortie").rglob("*")):
        print("RESTE", path.name)
"""


def download_apart(upstream: Upstream, mount: str, before: str = "") -> str:
    """Run ``mount`` ($1: the upstream's folder), then a download; return what was said.

    The last lines name what is below the output folder. ``before`` is Python run first.
    """
    upstream.request().folder.mkdir()
    script = upstream.folder / "essai.py"
    script.write_text(textwrap.dedent(SCRIPT).format(before=before))
    shell = ["sh", "-c", f'{mount} && exec "$2" "$3" "$1"', "sh", str(upstream.folder)]
    argv = ["unshare", "--map-root-user", "--mount", *shell, sys.executable, str(script)]
    return run(*argv, PYTHONPATH=str(ROOT))

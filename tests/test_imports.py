from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "av",
    "cv2",
    "langchain_core",
    "mcp",
    "numpy",
    "PIL",
    "pycocotools",
    "rich",
    "torch",
    "transformers",
}


@pytest.mark.parametrize(
    "code",
    [
        "import alref_agent",
        "import sys; sys.argv = ['alref-agent', '--help']\n"
        "from alref_agent.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass",
    ],
)
def test_importing_the_package_and_asking_for_help_load_nothing_heavy(code: str) -> None:
    show = "\nimport sys; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code + show], capture_output=True, text=True, check=True
    )
    loaded = set(eval(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY


def test_the_public_names_are_there() -> None:
    import alref_agent

    for name in alref_agent.__all__:
        assert getattr(alref_agent, name) is not None
    assert set(alref_agent.__all__) <= set(dir(alref_agent))
    with pytest.raises(AttributeError, match="no attribute 'sgment'"):
        _ = alref_agent.sgment

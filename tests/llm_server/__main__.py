"""`python -m llm_server`, in the folder of the tests: a server to try things by hand.

Its first line is the URL; it ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import threading

from llm_server.server import serve
from llm_server.styles import STYLES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m llm_server", description=__doc__)
    parser.add_argument("--api", choices=("openai", "ollama"), default="openai")
    parser.add_argument("--mind", default="marker", help="marker, colour:NAME, none, fixed:N, …")
    parser.add_argument("--style", default="plain", help=f"{', '.join(STYLES)}, or A/B")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that an answer takes")
    parser.add_argument("--script", default="", help="faults, one a request: 500,429:2,ok,cut")
    parser.add_argument("--models", default="", help="those that exist, with commas between")
    parser.add_argument("--blind", action="store_true", help="the models see no pictures")
    parser.add_argument("--key", help="the only key that is taken")
    parser.add_argument("--with-parent", action="store_true", help="end with standard input")
    args = parser.parse_args()
    with serve(
        args.api,
        mind=args.mind,
        style=args.style,
        delay=args.delay,
        script=args.script.split(",") if args.script else (),
        models=args.models.split(",") if args.models else None,
        blind=args.blind,
        key=args.key,
        port=args.port,
    ) as server:
        print(server.url, flush=True)
        try:
            if args.with_parent:
                sys.stdin.read()
            else:
                threading.Event().wait()
        except KeyboardInterrupt:
            pass


main()

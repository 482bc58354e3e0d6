"""`python -m alref_agent`."""

from alref_agent.cli import main

if __name__ == "__main__":
    main()

"""Another name of `python -m tests.reliability.durability`."""

from tests.reliability.durability.__main__ import main

if __name__ == "__main__":
    main()

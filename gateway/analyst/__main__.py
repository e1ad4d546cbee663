"""`python -m gateway.analyst`: the process that `gateway.analyst.client` starts."""

import os

NICENESS = 10

# Before the imports: they take half a second of the processor that completions are answered on.
os.nice(NICENESS)

from gateway.analyst.server import main  # noqa: E402

main()

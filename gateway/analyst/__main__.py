"""`python -m gateway.analyst`: the process that `gateway.analyst.client` starts."""

from gateway.analyst.server import main

main()

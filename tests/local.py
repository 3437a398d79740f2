"""httpx towards this machine: without TLS no client reads all certificates, which takes 70 ms."""

from functools import partial

import httpx

from embedded.probes import NO_TLS

Client = partial(httpx.Client, verify=NO_TLS, trust_env=False)
AsyncClient = partial(httpx.AsyncClient, verify=NO_TLS, trust_env=False)
get = partial(httpx.get, verify=NO_TLS, trust_env=False)
post = partial(httpx.post, verify=NO_TLS, trust_env=False)
